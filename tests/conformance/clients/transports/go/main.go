// What the Milvus client in Go asks of a server, in its order and with its settings, over grpc-go.
//
// The client itself is no package here; its messages, metadata, keepalive and rules for trying
// again are. Each case prints "ok NAME" or "not ok NAME: WHY".
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io/ioutil"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"elanus/milvus"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

func life(c *Client) {
	missing := &milvus.DescribeCollectionResponse{}
	check(c.call(context.Background(), "DescribeCollection", &milvus.DescribeCollectionRequest{CollectionName: "go_life"}, missing))
	expect(missing.Status.Code == 100, "a collection that is not there: %v", missing.Status)
	c.create("go_life", 8)
	has := &milvus.BoolResponse{}
	c.must("HasCollection", &milvus.HasCollectionRequest{CollectionName: "go_life"}, has)
	expect(has.Value, "it is there")
	c.insert("go_life", 0, 300, 8)
	c.flush("go_life")
	query := point(12345, 8)
	answer := &milvus.SearchResults{}
	c.must("Search", c.search("go_life", query, 10, nil), answer)
	wanted := nearest(query, 300, 10)
	expect(same(answer.Results.Ids.GetIntId().GetData(), wanted), "%v instead of %v", answer.Results.Ids, wanted)
	expect(answer.Results.Topks[0] == 10 && len(answer.Results.Scores) == 10, "topks %v", answer.Results.Topks)
	words := answer.Results.FieldsData[0].GetScalars().GetStringData().GetData()
	expect(words[0] == fmt.Sprintf("word %d", wanted[0]%10), "words %v", words)

	hybrid := &milvus.SearchResults{}
	c.must("HybridSearch", &milvus.HybridSearchRequest{
		CollectionName: "go_life", UseDefaultConsistency: true, OutputFields: []string{"word"},
		Requests:   []*milvus.SearchRequest{c.search("go_life", query, 10, nil), c.search("go_life", query, 10, nil)},
		RankParams: pairs(map[string]string{"limit": "5", "strategy": "rrf", "params": `{"k":60}`}),
	}, hybrid)
	expect(same(hybrid.Results.Ids.GetIntId().GetData(), wanted[:5]), "hybrid %v", hybrid.Results.Ids)

	upserted, deleted := &milvus.MutationResult{}, &milvus.MutationResult{}
	c.must("Upsert", &milvus.UpsertRequest{
		CollectionName: "go_life", FieldsData: rows([]int64{5}, 8), NumRows: 1,
		SchemaTimestamp: c.describe("go_life").UpdateTimestamp,
	}, upserted)
	expect(upserted.UpsertCnt == 1, "upserted %d", upserted.UpsertCnt)
	c.must("Delete", &milvus.DeleteRequest{CollectionName: "go_life", Expr: "id in [7, 8]"}, deleted)
	expect(deleted.DeleteCnt == 2, "deleted %d", deleted.DeleteCnt)
	counted := &milvus.QueryResults{}
	c.must("Query", &milvus.QueryRequest{
		CollectionName: "go_life", OutputFields: []string{"count(*)"}, ConsistencyLevel: milvus.ConsistencyLevel_Strong,
	}, counted)
	expect(counted.FieldsData[0].GetScalars().GetLongData().GetData()[0] == 298, "count %v", counted.FieldsData)
}

func olderSchema(c *Client) {
	c.create("go_schema", 4)
	before := c.describe("go_schema").UpdateTimestamp
	added, err := proto.Marshal(&milvus.FieldSchema{Name: "year", DataType: milvus.DataType_Int64, Nullable: true})
	check(err)
	c.must("AddCollectionField", &milvus.AddCollectionFieldRequest{CollectionName: "go_schema", Schema: added}, &milvus.Status{})
	answer := &milvus.MutationResult{}
	check(c.call(context.Background(), "Insert", &milvus.InsertRequest{
		CollectionName: "go_schema", FieldsData: rows([]int64{1}, 4), NumRows: 1, SchemaTimestamp: before,
	}, answer))
	expect(answer.Status.Code == 109 && answer.Status.ErrorCode == milvus.ErrorCode_SchemaMismatch, "%v", answer.Status)
	// It is evicted, asked for and written by again.
	c.insert("go_schema", 1, 1, 4)
}

func iterator(c *Client) {
	c.create("go_pages", 4)
	c.insert("go_pages", 0, 100, 4)
	query, found := point(999, 4), []int64{}
	params := map[string]string{
		"iterator": "True", "search_iter_v2": "True", "search_iter_batch_size": "1",
		"collection_id": strconv.FormatInt(c.describe("go_pages").CollectionID, 10),
	}
	probe := &milvus.SearchResults{}
	c.must("Search", c.search("go_pages", query, 1, params), probe)
	expect(probe.Results.GetSearchIteratorV2Results().GetToken() != "", "no token")
	params["search_iter_batch_size"] = "30"
	for {
		answer := &milvus.SearchResults{}
		c.must("Search", c.search("go_pages", query, 30, params), answer)
		told := answer.Results.GetSearchIteratorV2Results()
		params["search_iter_id"] = told.GetToken()
		params["search_iter_last_bound"] = fmt.Sprintf("%v", told.GetLastBound())
		keys := answer.Results.Ids.GetIntId().GetData()
		if len(keys) == 0 {
			break
		}
		found = append(found, keys...)
	}
	expect(same(found, nearest(query, 100, 100)), "%d of 100 in their order", len(found))
}

func large(c *Client) {
	c.create("go_large", 1024)
	c.insert("go_large", 0, 7500, 1024)
	answer := &milvus.QueryResults{}
	c.must("Query", &milvus.QueryRequest{
		CollectionName: "go_large", Expr: "id >= 0", OutputFields: []string{"id", "vector"},
		ConsistencyLevel: milvus.ConsistencyLevel_Strong,
	}, answer)
	expect(proto.Size(answer) > 30_000_000, "%d bytes", proto.Size(answer))
	for _, column := range answer.FieldsData {
		if numbers := column.GetVectors().GetFloatVector().GetData(); numbers != nil {
			expect(fmt.Sprint(numbers[:2048]) == fmt.Sprint(append(point(0, 1024), point(1, 1024)...)), "other vectors")
		}
	}
	c.must("DropCollection", &milvus.DropCollectionRequest{CollectionName: "go_large"}, &milvus.Status{})
}

// many has a thousand calls under way on the one connection, of which every tenth is given up.
func many(c *Client) {
	var calls sync.WaitGroup
	failed := make(chan error, 1000)
	for number := 0; number < 1000; number++ {
		calls.Add(1)
		go func(number int) {
			defer calls.Done()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if number%10 == 0 {
				go cancel()
			}
			answer := &milvus.SearchResults{}
			err := c.call(ctx, "Search", c.search("go_life", point(int64(number), 8), 10, nil), answer)
			// More wait than the server lets wait.
			for wait := time.Millisecond * 30; err == nil && answer.Status.Code == 8; wait *= 3 {
				time.Sleep(wait)
				answer.Reset()
				err = c.call(ctx, "Search", c.search("go_life", point(int64(number), 8), 10, nil), answer)
			}
			if status.Code(err) == codes.Canceled && number%10 == 0 {
				return
			}
			if err == nil && answer.Status.Code != 0 {
				err = fmt.Errorf("%v", answer.Status)
			}
			if err == nil && len(answer.Results.Scores) != 10 {
				err = fmt.Errorf("%d hits", len(answer.Results.Scores))
			}
			if err != nil {
				failed <- err
			}
		}(number)
	}
	calls.Wait()
	close(failed)
	for err := range failed {
		panic(err)
	}
}

func deadlines(c *Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Microsecond)
	defer cancel()
	err := c.call(ctx, "GetVersion", &milvus.GetVersionRequest{}, &milvus.GetVersionResponse{})
	expect(status.Code(err) == codes.DeadlineExceeded, "%v", err)
	later, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	check(c.call(later, "GetVersion", &milvus.GetVersionRequest{}, &milvus.GetVersionResponse{}))
}

// telemetry is sent to a service that there is not; the client goes on without.
func telemetry(c *Client) {
	err := c.conn.Invoke(c.context(context.Background()), "/milvus.proto.milvus.ClientTelemetryService/ClientHeartbeat",
		&milvus.ConnectRequest{}, &milvus.Status{})
	expect(status.Code(err) == codes.Unimplemented, "%v", err)
}

func databases(c *Client, address string) {
	c.must("CreateDatabase", &milvus.CreateDatabaseRequest{DbName: "go_other"}, &milvus.Status{})
	other := dial(address, grpc.WithInsecure())
	defer other.conn.Close()
	other.headers["dbname"] = "go_other"
	other.connect("")
	has := &milvus.BoolResponse{}
	other.must("HasCollection", &milvus.HasCollectionRequest{CollectionName: "go_life"}, has)
	expect(!has.Value, "a collection of another database")
}

// restarted has calls all the time while the server drains, ends and comes again.
func restarted(c *Client, control string) {
	done := make(chan struct{})
	failed := make(chan error, 8)
	var callers sync.WaitGroup
	for caller := 0; caller < 8; caller++ {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for {
				select {
				case <-done:
					return
				default:
				}
				has := &milvus.BoolResponse{}
				err := c.call(context.Background(), "HasCollection", &milvus.HasCollectionRequest{CollectionName: "go_life"}, has)
				if err == nil && !has.Value {
					err = fmt.Errorf("%v", has)
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	line, err := net.Dial("tcp", "127.0.0.1:"+control)
	check(err)
	ioutil.ReadAll(line)
	close(done)
	callers.Wait()
	close(failed)
	for err := range failed {
		panic(err)
	}
}

func secured(address, certificate, password string) {
	raw, err := ioutil.ReadFile(certificate)
	check(err)
	pool := x509.NewCertPool()
	expect(pool.AppendCertsFromPEM(raw), "no certificate")
	c := dial(address, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool})))
	defer c.conn.Close()
	c.headers["authorization"] = base64.StdEncoding.EncodeToString([]byte("root:" + password))
	c.connect("root")
	var from peer.Peer
	check(c.call(context.Background(), "GetVersion", &milvus.GetVersionRequest{}, &milvus.GetVersionResponse{}, grpc.Peer(&from)))
	protocol := from.AuthInfo.(credentials.TLSInfo).State.NegotiatedProtocol
	expect(protocol == "h2", "ALPN: %q", protocol)
	c.headers["authorization"] = base64.StdEncoding.EncodeToString([]byte("root:wrong"))
	err = c.call(context.Background(), "HasCollection", &milvus.HasCollectionRequest{CollectionName: "x"}, &milvus.BoolResponse{})
	expect(status.Code(err) == codes.Unauthenticated, "%v", err)
}

// idle leaves a connection alone, but for the pings of its keepalive, which come every ten seconds.
func idle(c *Client) {
	seconds, _ := strconv.Atoi(os.Getenv("ELANUS_IDLE_S"))
	time.Sleep(time.Duration(seconds) * time.Second)
	check(c.call(context.Background(), "GetVersion", &milvus.GetVersionRequest{}, &milvus.GetVersionResponse{}))
}

func run(name string, test func()) {
	defer func() {
		if why := recover(); why != nil {
			fmt.Printf("not ok %s: %v\n", name, why)
		}
	}()
	test()
	fmt.Printf("ok %s\n", name)
}

func main() {
	address := strings.TrimPrefix(os.Getenv("ELANUS_URI"), "http://")
	c := dial(address, grpc.WithInsecure())
	run("connect", func() { c.connect("") })
	run("telemetry", func() { telemetry(c) })
	run("life", func() { life(c) })
	run("older schema", func() { olderSchema(c) })
	run("iterator", func() { iterator(c) })
	run("large", func() { large(c) })
	run("many", func() { many(c) })
	run("deadlines", func() { deadlines(c) })
	run("databases", func() { databases(c, address) })
	run("idle", func() { idle(c) })
	run("restarted", func() { restarted(c, os.Getenv("ELANUS_RESTART")) })
	run("secured", func() {
		secured(strings.TrimPrefix(os.Getenv("ELANUS_SECURED_URI"), "https://"),
			os.Getenv("ELANUS_CERTIFICATE"), os.Getenv("ELANUS_ROOT_PASSWORD"))
	})
}
