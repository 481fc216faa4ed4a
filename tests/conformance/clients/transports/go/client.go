package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"elanus/milvus"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
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
