package grpc

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"specserve"
)

// Every operation against the programs themselves, over both protocols, and what happens when
// they die. SPECSERVE_BIN is the folder with the programs.

type program struct {
	*exec.Cmd
	port int
}

func (p *program) url(protocol string) string {
	return map[string]string{"rest": "http", "grpc": "grpc"}[protocol] + fmt.Sprintf("://127.0.0.1:%d", p.port)
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func run(t *testing.T, name string, arguments ...string) *program {
	folder := os.Getenv("SPECSERVE_BIN")
	if folder == "" {
		folder = root + "/build/bin"
	}
	p := &program{port: freePort(t)}
	p.Cmd = exec.Command(filepath.Join(folder, name), append(arguments, "--port", fmt.Sprint(p.port))...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	waitFor(t, name+" answers", func() bool {
		answer, err := http.Get(p.url("rest") + "/health")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == 200
	})
	return p
}

func waitFor(t *testing.T, what string, isSo func() bool) {
	for end := time.Now().Add(30 * time.Second); !isSo(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 30 s: " + what)
		}
	}
}

// replicas starts a registry and `count` servers that it knows.
func replicas(t *testing.T, count int) (registry *program, servers []*program, name string) {
	registry = run(t, "specserve-registry", "--ttl", "30", "--store", "memory")
	for i := 0; i < count; i++ {
		servers = append(servers, run(t, "specserve", "serve", root+"/models/solubility", "--registry", registry.url("rest")))
	}
	api := connect(t, specserve.WithRegistry(registry.url("rest"))).Registry()
	waitFor(t, "all are registered", func() bool {
		found, err := api.List(background, nil)
		if err == nil && len(found.Registrations) > 0 {
			name = found.Registrations[0].ModelName
		}
		return err == nil && len(found.Registrations) == count
	})
	return registry, servers, name
}

var ethanol = &specserve.RuntimePredictRequest{InputType: "text", Data: map[string]specserve.RuntimeValue{"text": "CCO"}}

func TestOperations(t *testing.T) {
	registry, servers, name := replicas(t, 1)
	texts := run(t, "specserve", "serve", root+"/tests/data/bundles/sentences", "--registry-mode", "off")
	for _, protocol := range []string{"rest", "grpc"} {
		client := connect(t, specserve.WithEndpoints(servers[0].url(protocol)))
		t.Run(protocol+" runtime", func(t *testing.T) { runtime(t, client) })
		t.Run(protocol+" formats of others", func(t *testing.T) { formats(t, client, name) })
		t.Run(protocol+" calls", func(t *testing.T) { calls(t, client, protocol) })
		t.Run(protocol+" registry", func(t *testing.T) {
			registryOf(t, connect(t, specserve.WithRegistry(registry.url(protocol))).Registry())
		})
		t.Run(protocol+" text", func(t *testing.T) {
			api := connect(t, specserve.WithEndpoints(texts.url(protocol))).Text()
			got, err := api.Embeddings(background, &specserve.TextEmbeddingsRequest{Input: []string{"one", "two words"}})
			if err != nil || len(got.Data) != 2 || len(got.Data[1].Embedding.([]float32)) == 0 || got.Usage.TotalTokens == 0 {
				t.Errorf("%+v, %v", got, err)
			}
			_, err = api.Rerank(background, &specserve.TextRerankRequest{Query: "q",
				Documents: []specserve.TextRerankDocument{"d", specserve.TextRerankText{Text: "e"}}})
			var failure *specserve.APIError
			if !errors.As(err, &failure) || failure.Answer == nil {
				t.Errorf("a model that ranks nothing: %v", err)
			}
		})
		t.Run(protocol+" by name", func(t *testing.T) {
			client := connect(t, specserve.WithRegistry(registry.url("rest")), specserve.WithProtocol(protocol))
			if got, err := client.Model(name).Runtime().Predict(background, ethanol); err != nil || !got.Success {
				t.Error(got, err)
			}
			if _, err := client.Model("nosuch").Runtime().Health(background, nil); !errors.Is(err, specserve.ErrNotFound) {
				t.Error(err)
			}
		})
	}
}

func must[T any](t *testing.T, isRight func(*T) bool) func(*T, error) {
	return func(got *T, err error) {
		t.Helper()
		if err != nil || !isRight(got) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func runtime(t *testing.T, client *specserve.Client) {
	api := client.Runtime()
	must(t, func(r *specserve.RuntimeHealthResponse) bool { return r.Status == "ok" && *r.UptimeS >= 0 })(api.Health(background, nil))
	must(t, func(r *specserve.RuntimeCapabilitiesResponse) bool {
		return r.Capabilities[0].Name == "regression" && r.Capabilities[0].OutputSchema["LogS"] == "float"
	})(api.Capabilities(background, nil))
	must(t, func(r *specserve.RuntimeAcceptableRangesResponse) bool {
		return r.PropertyRanges["LogS"].TrainingRange.Max > 2
	})(api.AcceptableRanges(background, nil))
	must(t, func(r *specserve.RuntimePredictResponse) bool {
		return r.Success && math.Abs(r.Results["LogS"].(float64)-1.0049) < 1e-3 && r.Results["smiles"] == "CCO" && r.ErrorMessage == nil
	})(api.Predict(background, ethanol))
	must(t, func(r *specserve.RuntimePredictResponse) bool { return !r.Success && *r.ErrorCode == "INVALID_INPUT" })(
		api.Predict(background, &specserve.RuntimePredictRequest{InputType: "text", Data: map[string]specserve.RuntimeValue{"text": "no!"}}))
	must(t, func(r *specserve.RuntimeInfoResponse) bool {
		return r.License == "Apache-2.0" && strings.HasPrefix(*r.BundleDigest, "sha256:")
	})(api.Info(background, nil))
	must(t, func(r *specserve.RuntimeMetricsResponse) bool { return r.RequestsServed > 0 })(api.Metrics(background, nil))
	must(t, func(r *specserve.RuntimeCitationResponse) bool { return strings.Contains(r.PaperCitation, "AqSolDB") })(api.Citation(background, nil))
	must(t, func(r *specserve.RuntimeTestExamplesResponse) bool { return r.Examples[0].Name == "Ethanol" })(api.TestExamples(background, nil))
	must(t, func(r *[]byte) bool { return strings.Contains(string(*r), "openapi") })(api.Openapi(background, nil))
	if _, err := api.Shutdown(background, nil); !errors.Is(err, specserve.ErrShutdownDisabled) {
		t.Error(err)
	}
}

func formats(t *testing.T, client *specserve.Client, name string) {
	health := client.Health()
	serving := specserve.HealthHealthCheckResponseServingStatusServing
	must(t, func(r *specserve.HealthHealthCheckResponse) bool { return r.Status == serving })(health.Check(background, nil))
	states, err := health.Watch(background, nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, func(r *specserve.HealthHealthCheckResponse) bool { return r.Status == serving })(states.Next())
	states.Close()
	api := client.Oip()
	must(t, func(r *specserve.OipServerLiveResponse) bool { return r.Live })(api.ServerLive(background, nil))
	must(t, func(r *specserve.OipServerReadyResponse) bool { return r.Ready })(api.ServerReady(background, nil))
	must(t, func(r *specserve.OipModelReadyResponse) bool { return r.Ready })(
		api.ModelReady(background, &specserve.OipModelReadyRequest{Name: name}))
	must(t, func(r *specserve.OipServerMetadataResponse) bool { return r.Name != "" })(api.ServerMetadata(background, nil))
	must(t, func(r *specserve.OipModelMetadataResponse) bool { return r.Name == name && len(r.Inputs) == 2 })(
		api.ModelMetadata(background, &specserve.OipModelMetadataRequest{Name: name}))
	must(t, func(r *specserve.OipModelConfigResponse) bool { return r.Config.Name == name })(
		api.ModelConfig(background, &specserve.OipModelConfigRequest{Name: name}))
	must(t, func(r *specserve.OipModelStatisticsResponse) bool { return r.ModelStats[0].Name == name })(
		api.ModelStatistics(background, &specserve.OipModelStatisticsRequest{Name: name}))
	must(t, func(r *specserve.OipRepositoryIndexResponse) bool { return r.Models[0].Name == name })(api.RepositoryIndex(background, nil))
	request := &specserve.OipModelInferRequest{ModelName: name, Parameters: map[string]specserve.OipInferParameter{}}
	for _, input := range []string{"input_ids", "attention_mask"} {
		request.Inputs = append(request.Inputs, specserve.OipModelInferRequestInferInputTensor{Name: input, Datatype: "INT64",
			Shape: []int64{1, 3}, Contents: &specserve.OipInferTensorContents{Int64Contents: []int64{1, 2, 1}}})
	}
	must(t, func(r *specserve.OipModelInferResponse) bool {
		return r.Outputs[0].Name == "y" && len(r.Outputs[0].Shape) == 2 && r.Outputs[0].Shape[1] == 3
	})(api.ModelInfer(background, request))
}

func calls(t *testing.T, client *specserve.Client, protocol string) {
	var answer specserve.Answer
	options := []specserve.Option{specserve.WithRequestID("order-7"), specserve.WithAnswer(&answer)}
	if _, err := client.Runtime().Health(background, nil, options...); err != nil || answer.Header.Get("X-Request-Id") != "order-7" ||
		answer.Protocol != protocol || answer.Attempts != 1 {
		t.Errorf("%+v, %v", answer, err)
	}
	_, err := client.Runtime().Predict(background, &specserve.RuntimePredictRequest{InputType: "none"}, options...)
	var failure *specserve.APIError
	if !errors.As(err, &failure) || failure.RequestID() != "order-7" {
		t.Error(err)
	}
	_, err = client.Runtime().Predict(background, ethanol, specserve.WithTimeout(time.Microsecond))
	if !errors.Is(err, specserve.ErrTimeout) {
		t.Error(err)
	}
	raw, err := client.Raw(background, "GET", "/metrics", nil, specserve.WithHeader("Accept", "text/plain"))
	if err != nil || !strings.Contains(string(raw.Body), "# HELP") {
		t.Error(raw, err)
	}
	if _, err = client.Raw(background, "GET", "/nosuch", nil); !errors.Is(err, specserve.ErrNotFound) {
		t.Error(err)
	}
}

func registryOf(t *testing.T, api *specserve.Registry) {
	must(t, func(r *specserve.RegistryStatusResponse) bool { return r.Status == "ok" })(api.Status(background, nil))
	mine, err := api.Register(background, &specserve.RegistryRegisterRequest{AppName: "go", AppVersion: "1.2.0", ModelName: "other",
		ProcessId: specserve.Ptr(int64(os.Getpid())), Metadata: []byte(`{"a":{"b":[1,null]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	must(t, func(r *specserve.RegistryHeartbeatResponse) bool { return r.Port == mine.AssignedPort })(
		api.Heartbeat(background, &specserve.RegistryHeartbeatRequest{Port: mine.AssignedPort}))
	other := &specserve.RegistryResolveRequest{ModelName: "other"}
	must(t, func(r *specserve.RegistryResolveResponse) bool {
		return string(r.Instances[0].Metadata) == `{"a":{"b":[1,null]}}` && *r.Instances[0].ProcessId == int64(os.Getpid())
	})(api.Resolve(background, other))
	events, err := api.Watch(background, &specserve.RegistryWatchRequest{ModelName: specserve.Ptr("other")})
	if err != nil {
		t.Fatal(err)
	}
	must(t, func(e *specserve.RegistryWatchEvent) bool {
		return e.Kind == specserve.RegistryWatchKindPut && e.Registration.ModelName == "other"
	})(events.Next())
	_, err = api.Unregister(background, &specserve.RegistryUnregisterRequest{Port: mine.AssignedPort, RegistrationId: "no"})
	if !errors.Is(err, specserve.ErrRegistrationMismatch) {
		t.Error(err)
	}
	must(t, func(r *specserve.RegistryUnregisterResponse) bool { return r.FreedPort == mine.AssignedPort })(
		api.Unregister(background, &specserve.RegistryUnregisterRequest{Port: mine.AssignedPort, RegistrationId: mine.RegistrationId}))
	must(t, func(e *specserve.RegistryWatchEvent) bool { return e.Kind == specserve.RegistryWatchKindDelete })(events.Next())
	events.Close()
	if _, err = events.Next(); err != io.EOF {
		t.Error(err)
	}
	if _, err = api.Resolve(background, other); !errors.Is(err, specserve.ErrNotFound) {
		t.Error(err)
	}
	must(t, func(r *specserve.RegistryListResponse) bool { return len(r.Registrations) == 1 })(api.List(background, nil))
	must(t, func(r *[]byte) bool { return strings.Contains(string(*r), "openapi") })(api.Openapi(background, nil))
}

// One of two replicas is killed under load: no call fails, and both had answered.
func TestKilledUnderLoad(t *testing.T) {
	for _, protocol := range []string{"rest", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			registry, servers, name := replicas(t, 2)
			client := connect(t, specserve.WithRegistry(registry.url("rest")), specserve.WithProtocol(protocol),
				specserve.WithRefresh(500*time.Millisecond))
			var mu sync.Mutex
			var wait sync.WaitGroup
			count, used, failed := 0, map[string]bool{}, []error{}
			end := time.Now().Add(1600 * time.Millisecond)
			for i := 0; i < 4; i++ {
				wait.Add(1)
				go func() {
					defer wait.Done()
					for time.Now().Before(end) {
						var answer specserve.Answer
						_, err := client.Model(name).Runtime().Predict(background, ethanol, specserve.WithAnswer(&answer))
						mu.Lock()
						count++
						used[answer.Endpoint] = true
						if err != nil {
							failed = append(failed, err)
						}
						mu.Unlock()
					}
				}()
			}
			time.Sleep(800 * time.Millisecond)
			if err := servers[0].Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			wait.Wait()
			if len(failed) > 0 || len(used) != 2 || count < 100 {
				t.Errorf("%d of %d failed, at %v: %v", len(failed), count, used, failed)
			}
			t.Logf("%d calls", count)
		})
	}
}

// While the registry does not answer, the last list counts; who never had one is told.
func TestRegistryAway(t *testing.T) {
	registry, _, name := replicas(t, 1)
	for _, protocol := range []string{"rest", "grpc"} {
		client := connect(t, specserve.WithRegistry(registry.url(protocol)), specserve.WithProtocol(protocol),
			specserve.WithRefresh(50*time.Millisecond))
		if _, err := client.Model(name).Runtime().Health(background, nil); err != nil {
			t.Fatal(err)
		}
		_ = registry.Process.Signal(syscall.SIGSTOP)
		time.Sleep(100 * time.Millisecond)
		_, err := client.Model(name).Runtime().Health(background, nil, specserve.WithTimeout(20*time.Second))
		_ = registry.Process.Signal(syscall.SIGCONT)
		if err != nil {
			t.Error(err)
		}
	}
	_ = registry.Process.Kill()
	_ = registry.Wait()
	client := connect(t, specserve.WithRegistry(registry.url("rest")))
	if _, err := client.Model(name).Runtime().Health(background, nil); !errors.Is(err, specserve.ErrUnavailable) {
		t.Error(err)
	}
}

// An instance dies with calls in its hands: they are done by the other one.
func TestKilledMidCall(t *testing.T) {
	for _, protocol := range []string{"rest", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			_, servers, _ := replicas(t, 2)
			client := connect(t, specserve.WithEndpoints(servers[0].url(protocol), servers[1].url(protocol)))
			_ = servers[0].Process.Signal(syscall.SIGSTOP)
			answers, failures := make([]specserve.Answer, 8), make([]error, 8)
			var wait sync.WaitGroup
			for i := range answers {
				wait.Add(1)
				go func(i int) {
					defer wait.Done()
					_, failures[i] = client.Runtime().Predict(background, ethanol, specserve.WithAnswer(&answers[i]))
				}(i)
			}
			time.Sleep(300 * time.Millisecond)
			_ = servers[0].Process.Kill()
			wait.Wait()
			again := 0
			for i := range answers {
				if failures[i] != nil || answers[i].Endpoint != servers[1].url(protocol) {
					t.Error(answers[i].Endpoint, failures[i])
				}
				again += answers[i].Attempts - 1
			}
			if again == 0 {
				t.Error("no call was under way")
			}
		})
	}
}
