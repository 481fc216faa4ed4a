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
	"encoding/binary"
	"fmt"
	"io/ioutil"
	"math"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"elanus/milvus"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

const service = "/milvus.proto.milvus.MilvusService/"

// Client is one connection and the metadata that goes with each of its calls.
type Client struct {
	conn    *grpc.ClientConn
	headers map[string]string
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(holds bool, format string, values ...interface{}) {
	if !holds {
		panic(fmt.Sprintf(format, values...))
	}
}

// dial connects as the client does by default.
func dial(address string, options ...grpc.DialOption) *Client {
	options = append(options,
		grpc.WithBlock(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 5 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second,
			},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32)),
	)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := grpc.DialContext(ctx, address, options...)
	check(err)
	return &Client{conn, map[string]string{}}
}

func (c *Client) context(ctx context.Context) context.Context {
	for name, value := range c.headers {
		ctx = metadata.AppendToOutgoingContext(ctx, name, value)
	}
	now := strconv.FormatInt(time.Now().UnixNano()/1e6, 10)
	return metadata.AppendToOutgoingContext(ctx, "client-request-unixmsec", now)
}

// call tries again as the client does: six times, if there is no server or too much to do.
func (c *Client) call(ctx context.Context, name string, request, answer proto.Message, options ...grpc.CallOption) error {
	var err error
	for attempt := 0; attempt < 6; attempt++ {
		if attempt > 0 {
			time.Sleep(60 * time.Millisecond * time.Duration(math.Pow(3, float64(attempt-1))))
		}
		err = c.conn.Invoke(c.context(ctx), service+name, request, answer, options...)
		if code := status.Code(err); code != codes.Unavailable && code != codes.ResourceExhausted {
			return err
		}
	}
	return err
}

func (c *Client) must(name string, request, answer proto.Message) {
	check(c.call(context.Background(), name, request, answer))
	told := statusOf(answer)
	expect(told.GetCode() == 0 && told.GetErrorCode() == 0, "%s: %v", name, told)
}

func statusOf(answer proto.Message) *milvus.Status {
	if found, ok := answer.(*milvus.Status); ok {
		return found
	}
	return answer.(interface{ GetStatus() *milvus.Status }).GetStatus()
}

func (c *Client) connect(user string) {
	host, _ := os.Hostname()
	answer := &milvus.ConnectResponse{}
	c.must("Connect", &milvus.ConnectRequest{ClientInfo: &milvus.ClientInfo{
		SdkType: "GoMilvusClient", SdkVersion: "3.0.0", LocalTime: time.Now().String(), User: user, Host: host,
	}}, answer)
	expect(answer.Identifier != 0, "no identifier")
	expect(strings.HasPrefix(answer.GetServerInfo().GetBuildTags(), "v3."), "version %v", answer.ServerInfo)
	c.headers["identifier"] = strconv.FormatInt(answer.Identifier, 10)
}

// Rows of a collection are points; the first number of each is its key.
func point(key int64, dim int) []float32 {
	made := make([]float32, dim)
	for place := range made {
		made[place] = float32((int(key)*7919+place*104729)%1000) / 1000
	}
	return made
}

func pairs(values map[string]string) []*milvus.KeyValuePair {
	var made []*milvus.KeyValuePair
	for key, value := range values {
		made = append(made, &milvus.KeyValuePair{Key: key, Value: value})
	}
	return made
}

func field(name string, kind milvus.DataType, values map[string]string) *milvus.FieldSchema {
	return &milvus.FieldSchema{Name: name, DataType: kind, TypeParams: pairs(values)}
}

func (c *Client) create(name string, dim int) {
	key := field("id", milvus.DataType_Int64, nil)
	key.IsPrimaryKey = true
	schema, err := proto.Marshal(&milvus.CollectionSchema{Name: name, Fields: []*milvus.FieldSchema{
		key,
		field("word", milvus.DataType_VarChar, map[string]string{"max_length": "64"}),
		field("vector", milvus.DataType_FloatVector, map[string]string{"dim": strconv.Itoa(dim)}),
	}})
	check(err)
	c.must("CreateCollection", &milvus.CreateCollectionRequest{
		CollectionName: name, Schema: schema, ShardsNum: 1, ConsistencyLevel: milvus.ConsistencyLevel_Bounded,
	}, &milvus.Status{})
	c.must("CreateIndex", &milvus.CreateIndexRequest{
		CollectionName: name, FieldName: "vector", IndexName: "",
		ExtraParams: pairs(map[string]string{"index_type": "HNSW", "metric_type": "L2", "params": `{"M":16,"efConstruction":64}`}),
	}, &milvus.Status{})
	c.wait("the index", func() bool {
		answer := &milvus.DescribeIndexResponse{}
		c.must("DescribeIndex", &milvus.DescribeIndexRequest{CollectionName: name, FieldName: "vector"}, answer)
		return answer.IndexDescriptions[0].State == milvus.IndexState_Finished
	})
	c.must("LoadCollection", &milvus.LoadCollectionRequest{CollectionName: name, ReplicaNumber: 1}, &milvus.Status{})
	c.wait("the load", func() bool {
		answer, state := &milvus.GetLoadingProgressResponse{}, &milvus.GetLoadStateResponse{}
		c.must("GetLoadingProgress", &milvus.GetLoadingProgressRequest{CollectionName: name}, answer)
		c.must("GetLoadState", &milvus.GetLoadStateRequest{CollectionName: name}, state)
		return answer.Progress == 100 && state.State == milvus.LoadState_LoadStateLoaded
	})
}

func (c *Client) wait(what string, isDone func() bool) {
	for end := time.Now().Add(60 * time.Second); !isDone(); time.Sleep(20 * time.Millisecond) {
		expect(time.Now().Before(end), "%s did not come", what)
	}
}

func (c *Client) describe(name string) *milvus.DescribeCollectionResponse {
	answer := &milvus.DescribeCollectionResponse{}
	c.must("DescribeCollection", &milvus.DescribeCollectionRequest{CollectionName: name}, answer)
	return answer
}

func rows(keys []int64, dim int) []*milvus.FieldData {
	words, numbers := []string{}, []float32{}
	for _, key := range keys {
		words = append(words, fmt.Sprintf("word %d", key%10))
		numbers = append(numbers, point(key, dim)...)
	}
	return []*milvus.FieldData{
		{Type: milvus.DataType_Int64, FieldName: "id", Field: &milvus.FieldData_Scalars{Scalars: &milvus.ScalarField{
			Data: &milvus.ScalarField_LongData{LongData: &milvus.LongArray{Data: keys}}}}},
		{Type: milvus.DataType_VarChar, FieldName: "word", Field: &milvus.FieldData_Scalars{Scalars: &milvus.ScalarField{
			Data: &milvus.ScalarField_StringData{StringData: &milvus.StringArray{Data: words}}}}},
		{Type: milvus.DataType_FloatVector, FieldName: "vector", Field: &milvus.FieldData_Vectors{Vectors: &milvus.VectorField{
			Dim: int64(dim), Data: &milvus.VectorField_FloatVector{FloatVector: &milvus.FloatArray{Data: numbers}}}}},
	}
}

func (c *Client) insert(name string, first, count int64, dim int) {
	keys := make([]int64, count)
	for place := range keys {
		keys[place] = first + int64(place)
	}
	answer := &milvus.MutationResult{}
	c.must("Insert", &milvus.InsertRequest{
		CollectionName: name, FieldsData: rows(keys, dim), NumRows: uint32(count),
		SchemaTimestamp: c.describe(name).UpdateTimestamp,
	}, answer)
	expect(answer.InsertCnt == count && len(answer.IDs.GetIntId().GetData()) == int(count), "stored %d", answer.InsertCnt)
}

func (c *Client) flush(name string) {
	answer := &milvus.FlushResponse{}
	c.must("Flush", &milvus.FlushRequest{CollectionNames: []string{name}}, answer)
	segments, moment := answer.CollSegIDs[name].GetData(), answer.CollFlushTs[name]
	c.wait("the flush", func() bool {
		state := &milvus.GetFlushStateResponse{}
		c.must("GetFlushState", &milvus.GetFlushStateRequest{
			SegmentIDs: segments, FlushTs: moment, CollectionName: name,
		}, state)
		return state.Flushed
	})
}

func (c *Client) search(name string, query []float32, limit int, more map[string]string) *milvus.SearchRequest {
	raw := make([]byte, 4*len(query))
	for place, value := range query {
		binary.LittleEndian.PutUint32(raw[4*place:], math.Float32bits(value))
	}
	group, err := proto.Marshal(&milvus.PlaceholderGroup{Placeholders: []*milvus.PlaceholderValue{
		{Tag: "$0", Type: milvus.PlaceholderType_FloatVector, Values: [][]byte{raw}},
	}})
	check(err)
	params := map[string]string{
		"anns_field": "vector", "topk": strconv.Itoa(limit), "offset": "0", "metric_type": "",
		"round_decimal": "-1", "ignore_growing": "false", "params": "{}",
	}
	for key, value := range more {
		params[key] = value
	}
	return &milvus.SearchRequest{
		CollectionName: name, DslType: milvus.DslType_BoolExprV1, Nq: 1, SearchParams: pairs(params),
		SearchInput:           &milvus.SearchRequest_PlaceholderGroup{PlaceholderGroup: group},
		OutputFields:          []string{"word"},
		ConsistencyLevel:      milvus.ConsistencyLevel_Bounded,
		UseDefaultConsistency: true,
	}
}

// nearest compares with every point.
func nearest(query []float32, keys int64, limit int) []int64 {
	distances, found := map[int64]float64{}, []int64{}
	for key := int64(0); key < keys; key++ {
		sum := 0.0
		for place, value := range point(key, len(query)) {
			difference := float64(value - query[place])
			sum += difference * difference
		}
		distances[key] = sum
		found = append(found, key)
	}
	sort.SliceStable(found, func(i, j int) bool { return distances[found[i]] < distances[found[j]] })
	return found[:limit]
}

func same(got, wanted []int64) bool { return fmt.Sprint(got) == fmt.Sprint(wanted) }

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
