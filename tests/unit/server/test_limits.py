"""Token buckets by hand-worked values, and what each call takes from them."""

import pytest

from elanus.errors import InvalidArgumentError
from elanus_server.failures import MilvusError
from elanus_server.security.accounts import Accounts
from elanus_server.security.limits import (
    AT_ONCE,
    CALLS,
    CHANGES,
    DELETED_MB,
    OUTPUT,
    QUERIES,
    SEARCHES,
    WRITTEN_MB,
    WRITTEN_ROWS,
    Bucket,
    Limits,
    RateLimitedError,
    checked_limits,
    costs,
    with_limits,
)
from elanus_server.wire import milvus


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def taken(bucket, cost=1.0):
    is_there = bucket.has(cost)
    if is_there:
        bucket.take(cost)
    return is_there


def test_a_bucket_holds_one_second():
    clock = Clock()
    bucket = Bucket(2.0, clock)
    assert [taken(bucket) for _ in range(3)] == [True, True, False]
    clock.now += 0.5
    assert [taken(bucket) for _ in range(2)] == [True, False]
    clock.now += 60
    assert [taken(bucket) for _ in range(3)] == [True, True, False]


def test_a_bucket_says_how_long_to_wait():
    clock = Clock()
    bucket = Bucket(4.0, clock)
    assert taken(bucket, 4.0)
    for cost, wait_s in ((1.0, 0.25), (3.0, 0.75), (100.0, 1.0)):
        assert not taken(bucket, cost)
        assert bucket.wait_s(cost) == wait_s
    clock.now += 0.25
    assert taken(bucket, 1.0)
    bucket = Bucket(4.0, clock)
    assert taken(bucket, 8.0)  # paid back afterwards
    assert not taken(bucket, 1.0)
    assert bucket.wait_s(1.0) == 1.25


def test_what_costs_more_than_a_bucket_holds_is_paid_back():
    clock = Clock()
    bucket = Bucket(0.5, clock)
    assert taken(bucket)
    clock.now += 1.9
    assert not taken(bucket)
    clock.now += 0.1
    # Half a unit each second: one was taken of a half, so that the bucket is full after 2 s.
    assert taken(bucket)


def test_a_call_that_is_refused_takes_nothing():
    clock = Clock()
    limits = Limits({CALLS: 1000, WRITTEN_MB: 10, WRITTEN_ROWS: 10}, Accounts, now=clock)
    request = milvus.InsertRequest(num_rows=10, hash_keys=[2**31] * (6 * 2**20 // 5))
    with limits.admitted("a", "Insert", request):
        pass
    refused = 0
    for _ in range(9):
        clock.now += 0.1
        with pytest.raises(RateLimitedError), limits.admitted("a", "Insert", request):
            raise AssertionError
        refused += 1
    clock.now += 0.11
    # Six of ten megabytes and ten of ten rows were taken a second ago.
    with limits.admitted("a", "Insert", request):
        assert refused == 9


def test_users_have_buckets_of_their_own_and_limits_of_their_own():
    clock = Clock()
    accounts = Accounts(users={"ann": "x"}, limits={"ann": {QUERIES: 2.0}})
    limits = Limits({QUERIES: 1, CALLS: 100}, lambda: accounts, now=clock)
    request = milvus.QueryRequest()

    def is_admitted(user):
        try:
            with limits.admitted(user, "Query", request):
                return True
        except RateLimitedError:
            return False

    assert [is_admitted("ann") for _ in range(3)] == [True, True, False]
    assert [is_admitted("bob") for _ in range(2)] == [True, False]
    assert limits.of("ann") == {QUERIES: 2.0, CALLS: 100.0}
    with pytest.raises(RateLimitedError, match=r"rate limit exceeded\[rate=1\]") as raised:
        limits.admitted("bob", "Query", request).__enter__()
    assert (raised.value.code, raised.value.retriable, raised.value.limit) == (8, True, QUERIES)
    accounts = Accounts()
    assert [is_admitted("ann") for _ in range(2)] == [True, False]


def test_calls_at_once():
    limits = Limits({AT_ONCE: 2}, Accounts)
    request = milvus.QueryRequest()
    with limits.admitted("a", "Query", request):
        with limits.admitted("a", "Query", request):
            with pytest.raises(RateLimitedError), limits.admitted("a", "Query", request):
                raise AssertionError
            with limits.admitted("b", "Query", request):
                pass
        with limits.admitted("a", "Query", request):
            pass


def test_large_answers_are_refused():
    limits = Limits({OUTPUT: 10}, Accounts)
    limits.check_output("a", milvus.QueryResults(collection_name="short"))
    with pytest.raises(MilvusError, match="exceed the maxOutputSize Limit 10"):
        limits.check_output("a", milvus.QueryResults(collection_name="much too long"))


@pytest.mark.parametrize(
    ("name", "request_", "expected"),
    [
        ("Search", milvus.SearchRequest(nq=7), {SEARCHES: 7}),
        ("Search", milvus.SearchRequest(), {SEARCHES: 1}),
        (
            "HybridSearch",
            milvus.HybridSearchRequest(requests=[milvus.SearchRequest(nq=nq) for nq in (0, 1, 5)]),
            {SEARCHES: 7},
        ),
        ("Query", milvus.QueryRequest(), {QUERIES: 1}),
        ("Upsert", milvus.UpsertRequest(num_rows=9), {WRITTEN_ROWS: 9, WRITTEN_MB: 2 / 2**20}),
        ("Delete", milvus.DeleteRequest(expr="12345678"), {DELETED_MB: 10 / 2**20}),
        ("CreateIndex", milvus.CreateIndexRequest(), {CHANGES: 1}),
        ("RemoveFileResource", milvus.RemoveFileResourceRequest(), {CHANGES: 1}),
        ("DescribeIndex", milvus.DescribeIndexRequest(), {}),
    ],
)
def test_costs(name, request_, expected):
    assert costs(name, request_) == {CALLS: 1, **expected}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"dql.speed": 1}, "unknown name 'dql.speed'"),
        ({QUERIES: 0}, "a number above 0"),
        ({QUERIES: True}, "a number above 0"),
        ({QUERIES: float("nan")}, "a number above 0"),
        ({QUERIES: "1"}, "a number above 0"),
    ],
)
def test_wrong_limits(given, text):
    with pytest.raises(InvalidArgumentError, match=text):
        checked_limits(given)


def test_limits_of_a_user_change_one_by_one():
    accounts = Accounts(users={"ann": "x"}, limits={"ann": {QUERIES: 2.0, CALLS: 5.0}})
    assert with_limits(accounts, "ann", {QUERIES: None, SEARCHES: 3}) == {
        "ann": {CALLS: 5.0, SEARCHES: 3.0}
    }
    with pytest.raises(MilvusError, match="user not found"):
        with_limits(accounts, "bob", {QUERIES: 1})
