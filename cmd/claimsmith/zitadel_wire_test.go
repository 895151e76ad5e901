package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rpc "connectrpc.com/connect"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// rpcPost sends a body to an RPC as some protocol and returns the answer with its trailers among the headers.
func rpcPost(t *testing.T, client *http.Client, target string, body []byte, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Add(headers[n], headers[n+1])
	}
	got, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{got.StatusCode, got.Header.Clone(), string(text)}
	for name, values := range got.Trailer {
		a.header[name] = values
	}
	return a
}

func http2Only(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// framed puts a message into the envelope of gRPC.
func framed(flags byte, message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message))), message...)
}

func compressed(t *testing.T, text []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

// A method there is not is unimplemented, in the protocol of the request.
func TestZitadelUnknownMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	address := w.serveAll()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	const want = "12 unknown method"
	for _, path := range []string{"/" + userv2.UserServiceName + "/DeleteUser", "/" + managementv1.ManagementServiceName + "/", "/" + userv2.UserServiceName + "/a/b"} {
		in := &userv2.DeleteUserMetadataRequest{}
		if err := connection.Invoke(as(t, adminToken, ""), path, in, &userv2.DeleteUserMetadataResponse{}); told(err) != want {
			t.Errorf("grpc-go: %s: %s", path, told(err))
		}
		for name, options := range map[string]struct {
			client *http.Client
			option rpc.ClientOption
		}{
			"gRPC": {http2Only(t), rpc.WithGRPC()}, "gRPC-Web": {http.DefaultClient, rpc.WithGRPCWeb()}, "Connect": {http.DefaultClient, rpc.WithClientOptions()},
		} {
			client := rpc.NewClient[userv2.DeleteUserMetadataRequest, userv2.DeleteUserMetadataResponse](options.client, "http://"+address+path, options.option)
			if _, err := client.CallUnary(t.Context(), rpc.NewRequest(in)); told(err) != want {
				t.Errorf("%s: %s: %s", name, path, told(err))
			}
		}
	}
	procedure := managementv1.ManagementServiceGetUserMetadataProcedure
	got := w.get(procedure, adminToken).want(t, http.StatusMethodNotAllowed)
	if got.header.Get("Allow") != "OPTIONS, POST" || got.body != `{"code":12,"message":"Method Not Allowed"}` {
		t.Errorf("%v %s", got.header, got.body)
	}
	w.post(procedure, adminToken, "{}", "Content-Type", "text/plain").want(t, http.StatusUnsupportedMediaType)
}

// Nobody has a message read before it is known who he is, and no message is longer than it may be, nor compressed (rows D-01, D-02).
func TestZitadelMessagesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	target := "http://" + w.serveAll() + managementv1.ManagementServiceSetUserMetadataProcedure
	client := http2Only(t)
	bearer := "Bearer " + adminToken
	huge := bytes.Repeat([]byte(" "), 64<<20)
	bomb := compressed(t, huge)
	for _, test := range []struct {
		name    string
		body    []byte
		headers []string
		want    string // status of HTTP, of gRPC
	}{
		{"gRPC, nobody", framed(0, []byte("garbage")), []string{"Content-Type", "application/grpc"}, "200 16"},
		{"Connect, nobody", []byte("garbage"), []string{"Content-Type", "application/json"}, "401 "},
		{"gRPC, garbage", framed(0, []byte("garbage")), []string{"Content-Type", "application/grpc", "Authorization", bearer}, "200 3"},
		{"gRPC, cut off", framed(0, []byte("garbage"))[:7], []string{"Content-Type", "application/grpc", "Authorization", bearer}, "200 13"},
		{"Connect, garbage", []byte("garbage"), []string{"Content-Type", "application/json", "Authorization", bearer}, "400 "},
		{"gRPC, not UTF-8", framed(0, []byte("\x0a\x01\xff")), []string{"Content-Type", "application/grpc", "Authorization", bearer}, "200 3"},
		{"gRPC, long", framed(0, huge[:3<<20]), []string{"Content-Type", "application/grpc", "Authorization", bearer}, "200 8"},
		{"gRPC, a length that is a lie", framed(0, nil)[:1], []string{"Content-Type", "application/grpc", "Authorization", bearer}, "200 13"},
		{"gRPC, bomb", framed(1, bomb), []string{"Content-Type", "application/grpc", "Grpc-Encoding", "gzip", "Authorization", bearer}, "200 12"},
		{"gRPC-Web, bomb", framed(1, bomb), []string{"Content-Type", "application/grpc-web+proto", "Grpc-Encoding", "gzip", "Authorization", bearer}, "200 12"},
		{"Connect, bomb", bomb, []string{"Content-Type", "application/json", "Content-Encoding", "gzip", "Authorization", bearer}, "501 "},
		{"two organisations", framed(0, nil), []string{"Content-Type", "application/grpc", "Authorization", bearer, "X-Zitadel-Orgid", "default", "X-Zitadel-Orgid", "default"}, "200 3"},
		{"two credentials", framed(0, nil), []string{"Content-Type", "application/grpc", "Authorization", bearer, "Authorization", bearer}, "200 16"},
	} {
		got := rpcPost(t, client, target, test.body, test.headers...)
		code := got.header.Get("Grpc-Status")
		if strings.Contains(test.name, "Web") && code == "" {
			_, code, _ = strings.Cut(strings.ToLower(got.body), "grpc-status: ")
			code, _, _ = strings.Cut(code, "\r\n")
		}
		if result := fmt.Sprintf("%d %s", got.status, code); result != test.want {
			t.Errorf("%s: %d %q %q, want %s", test.name, got.status, code, got.body, test.want)
		}
	}
}

// A message that holds neither values nor any number of keys is short, over REST as well (row D-01).
func TestZitadelQuestionsAreShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	server := "http://" + w.serveAll()
	client := http2Only(t)
	longest := `{"keyQuery":{"key":"` + strings.Repeat(`\ud83d\ude00`, 200) + `","method":"TEXT_QUERY_METHOD_STARTS_WITH_IGNORE_CASE"}}`
	question := []byte(`{"id":"jane-id","queries":[` + strings.Repeat(longest+",", 19) + longest + `]}`)
	padded := func(n int) []byte { return append(question, bytes.Repeat([]byte(" "), n-len(question))...) }
	const most = 64 << 10
	headers := []string{"Content-Type", "application/json", "Authorization", "Bearer " + adminToken}
	for _, test := range []struct {
		target string
		length int
		want   string
	}{
		{managementv1.ManagementServiceListUserMetadataProcedure, most, "200 "},
		{managementv1.ManagementServiceListUserMetadataProcedure, most + 1, "429 "},
		{managementv1.ManagementServiceGetUserMetadataProcedure, most + 1, "429 "},
		{managementv1.ManagementServiceRemoveUserMetadataProcedure, most + 1, "429 "},
		{managementv1.ManagementServiceBulkRemoveUserMetadataProcedure, most + 1, "400 META-9mm2d"},
		{authv1.AuthServiceListMyMetadataProcedure, most + 1, "429 "},
		{authv1.AuthServiceGetMyMetadataProcedure, most + 1, "429 "},
		{userv2.UserServiceListUserMetadataProcedure, most + 1, "429 "},
		{userv2.UserServiceDeleteUserMetadataProcedure, most + 1, "400 META-9mm2d"},
		{"/management/v1/users/jane-id/metadata/_search", most, "200 "},
		{"/management/v1/users/jane-id/metadata/_search", most + 1, "400 the body may have at most 64 KiB"},
		{"/auth/v1/users/me/metadata/_search", most + 1, "400 the body may have at most 64 KiB"},
		{"/v2/users/jane-id/metadata/search", most + 1, "400 the body may have at most 64 KiB"},
		{"/management/v1/users/jane-id/metadata/_bulk", most + 1, "400 META-9mm2d"},
	} {
		got := rpcPost(t, client, server+test.target, padded(test.length), headers...)
		status, part, _ := strings.Cut(test.want, " ")
		if fmt.Sprint(got.status) != status || !strings.Contains(got.body, part) {
			t.Errorf("%s of %d bytes: %d %.200s, want %s", test.target, test.length, got.status, got.body, test.want)
		}
	}
}

// A list has no more elements than it may have, and that is found out before there are any (row D-01).
func TestZitadelListsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	type entry = managementv1.BulkSetUserMetadataRequest_Metadata
	const (
		binary = "3 unmarshal message: proto: a message may have at most 10000 elements"
		text   = "3 unmarshal message: proto: (/%s): an array may have at most 10000 elements"
	)
	for protocol, c := range zitadelClients(t, w.serveAll()) {
		for _, test := range []struct {
			field string
			call  func(elements int) zitadelCall
		}{
			{"metadata", func(n int) zitadelCall { return callBulk("jane-id", slices.Repeat([]*entry{{}}, n)...) }},
			{"metadata", func(n int) zitadelCall { return callSetV2("jane-id", slices.Repeat([]*userv2.Metadata{{}}, n)...) }},
			{"keys", func(n int) zitadelCall { return callRemoveMany("jane-id", make([]string, n)...) }},
			{"keys", func(n int) zitadelCall { return callDeleteV2("jane-id", make([]string, n)...) }},
		} {
			want := binary
			if strings.Contains(protocol, "JSON") {
				want = fmt.Sprintf(text, test.field)
			}
			if got := told(test.call(10_001)(as(t, adminToken, ""), c)); got != want {
				t.Errorf("%s, %s: %s", protocol, test.field, got)
			}
			if got := told(test.call(10_000)(as(t, adminToken, ""), c)); !strings.HasPrefix(got, "3 invalid ") {
				t.Errorf("%s, %s: %s", protocol, test.field, got)
			}
		}
	}
	for n, want := range map[int]string{
		10_000: "invalid ListUserMetadataRequest.Queries: value must contain at most 20 items",
		10_001: "proto: (/queries): an array may have at most 10000 elements",
	} {
		got := w.post("/management/v1/users/jane-id/metadata/_search", adminToken, `{"queries":[`+strings.Repeat("{},", n-1)+`{}]}`)
		if got.status != http.StatusBadRequest || got.body != `{"code":3,"message":"`+want+`"}` {
			t.Errorf("%d conditions over REST: %d %s", n, got.status, got.body)
		}
	}
}

// JSON is read as strictly by RPCs as by REST, and a fault told without what was sent (row I-04).
func TestZitadelJSONIsStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	for body, want := range map[string]string{
		`{"id":"jane-id","id":"john-id"}`:                                                 "(/id): the member appears more than once",
		`{"id":"jane-id","more":1,"more":2}`:                                              "(/more): the member appears more than once",
		`{"id":"jane-id","queries":[{"keyQuery":{"method":"TEXT_QUERY_METHOD_SECRET"}}]}`: "invalid value for enum field method",
		`{"id":"jane-id","query":{"limit":"secret"}}`:                                     "(line 1:34): invalid value for uint32 field limit",
	} {
		for _, media := range []string{"application/json", "application/json; charset=utf-8"} {
			got := w.send(http.MethodPost, managementv1.ManagementServiceListUserMetadataProcedure, adminToken, body, "Content-Type", media)
			if got.status != http.StatusBadRequest || got.body != `{"code":"invalid_argument","message":"unmarshal message: proto: `+want+`"}` {
				t.Errorf("%s: %d %s", body, got.status, got.body)
			}
		}
	}
}

// Answers are never compressed, whatever the client would take.
func TestZitadelAnswersAreNotCompressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	address := w.serveAll()
	w.put("/api/user/jane-id/metadata/long", adminToken, `{"value":"`+strings.Repeat("a", 10_000)+`"}`).want(t, http.StatusOK)
	got := rpcPost(t, http2Only(t), "http://"+address+managementv1.ManagementServiceGetUserMetadataProcedure, []byte(`{"id":"jane-id","key":"long"}`),
		"Content-Type", "application/json", "Authorization", "Bearer "+adminToken, "Accept-Encoding", "gzip")
	if got.status != http.StatusOK || got.header.Get("Content-Encoding") != "" || len(got.body) < 10_000 {
		t.Errorf("%d %v: %d bytes", got.status, got.header, len(got.body))
	}
}

// Without Redis every call is unavailable, which the log and the metrics learn though the status on the wire is 200.
func TestZitadelUnavailable(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	w := newWorld(t, b.Client)
	clients := zitadelClients(t, w.serveAll())
	secret := "a value nobody may log"
	call := func(c zitadelClient) error {
		_, err := c.management.SetUserMetadata(as(t, adminToken, ""), &managementv1.SetUserMetadataRequest{Id: "jane-id", Key: "k", Value: []byte(secret)})
		return err
	}
	for name, c := range clients {
		if err := call(c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	_, missing := clients["grpc-go"].management.GetUserMetadata(as(t, adminToken, ""), &managementv1.GetUserMetadataRequest{Id: "jane-id", Key: "nothing"})
	if told(missing) != "5 Metadata not found (QUERY-Rgh32)" {
		t.Error(told(missing))
	}
	_ = b.Client.Close()
	const want = "14 metadata is not available at the moment; try again (CLAIMSMITH-unavailable)"
	for name, c := range clients {
		err := call(c)
		if got := told(err); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if failed := new(rpc.Error); errors.As(err, &failed) && strings.Join(failed.Meta().Values("Retry-After"), " ") != "1" {
			t.Errorf("%s: %v", name, failed.Meta())
		}
	}
	log := w.log.String()
	failed := strings.Count(log, `"msg":"request failed","status":503`)
	counted := strings.Count(log, `"route":"`+managementv1.ManagementServiceSetUserMetadataProcedure+`","status":503`)
	if failed != len(clients) || counted != len(clients) {
		t.Errorf("%d failures in the log, %d in its access log, want %d each", failed, counted, len(clients))
	}
	if !strings.Contains(log, `"route":"`+managementv1.ManagementServiceGetUserMetadataProcedure+`","status":404`) {
		t.Error("the access log does not tell of what was not found")
	}
	if strings.Contains(log, secret) || strings.Contains(log, adminToken) {
		t.Error("the log has a secret")
	}
	got := w.get("/management/v1/users/jane-id/metadata/k", adminToken).want(t, http.StatusServiceUnavailable)
	if got.header.Get("Retry-After") != "1" || !strings.HasPrefix(got.body, `{"code":14,"message":"metadata is not available at the moment; try again (CLAIMSMITH-unavailable)"`) {
		t.Errorf("%v %s", got.header, got.body)
	}
}

// deadlines are how much time commands to Redis were given.
type deadlines struct {
	redis.Hook
	mu   sync.Mutex
	left []time.Duration
}

// last is the time of the last command since it was asked for before.
func (d *deadlines) last() (left time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.left) > 0 {
		left = d.left[len(d.left)-1]
	}
	d.left = nil
	return left
}

func (d *deadlines) note(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := 24 * time.Hour
	if until, limited := ctx.Deadline(); limited {
		left = time.Until(until)
	}
	d.left = append(d.left, left)
}

func (d *deadlines) DialHook(next redis.DialHook) redis.DialHook { return next }

func (d *deadlines) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		d.note(ctx)
		return next(ctx, cmd)
	}
}

func (d *deadlines) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		d.note(ctx)
		return next(ctx, cmds)
	}
}

// A deadline the client sets ends the call, and none it sets makes the server's longer.
func TestZitadelDeadlines(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	w := newWorld(t, b.Client)
	given := &deadlines{}
	b.Client.AddHook(given)
	target, client := "http://"+w.serveAll()+managementv1.ManagementServiceGetUserMetadataProcedure, http2Only(t)
	message, err := proto.Marshal(&managementv1.GetUserMetadataRequest{Id: "jane-id", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	const limit = 20 * time.Second // of serveAll
	for _, protocol := range []struct {
		mediaType, header     string
		body                  []byte
		brief, shorter, never string
		late                  string // status of HTTP, of gRPC
	}{
		{"application/grpc", "Grpc-Timeout", framed(0, message), "1n", "5000m", "99999999H", "200 14"},
		{"application/json", "Connect-Timeout-Ms", []byte(`{"id":"jane-id","key":"k"}`), "0", "5000", "9999999999", "503 "},
	} {
		call := func(timeout string) (answer, time.Duration) {
			t.Helper()
			headers := []string{"Content-Type", protocol.mediaType, "Authorization", "Bearer " + adminToken}
			if timeout != "" {
				headers = append(headers, protocol.header, timeout)
			}
			given.last()
			a := rpcPost(t, client, target, protocol.body, headers...)
			return a, given.last()
		}
		if a, _ := call(protocol.brief); fmt.Sprintf("%d %s", a.status, a.header.Get("Grpc-Status")) != protocol.late {
			t.Errorf("%s: %s: %d %v %s", protocol.header, protocol.brief, a.status, a.header, a.body)
		}
		for timeout, bounds := range map[string][2]time.Duration{
			"": {limit / 2, limit}, protocol.shorter: {0, 5 * time.Second}, protocol.never: {limit / 2, limit},
		} {
			if a, left := call(timeout); left <= bounds[0] || left > bounds[1] {
				t.Errorf("%s: %q leaves Redis %v, want more than %v, at most %v: %d %v", protocol.header, timeout, left, bounds[0], bounds[1], a.status, a.header)
			}
		}
	}
}
