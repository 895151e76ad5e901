package claimsmith_test

import (
	"bufio"
	"context"
	"debug/buildinfo"
	"go/version"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.yaml.in/yaml/v4"

	"github.com/claimsmith/claimsmith/config"
)

// service is what the tests look at in a service of docker-compose.yml.
type service struct {
	Image       string
	Command     []string
	Environment map[string]string
	User        string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	Ports       []string
	Volumes     []string
	Profiles    []string
	Healthcheck struct{ Test []string }
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

// local is what somebody who runs docker-compose.yml puts into .env.
var local = map[string]string{
	"CLAIMSMITH_ISSUER":             "https://id.example.com",
	"CLAIMSMITH_TRUSTED_PROXIES":    "172.16.0.0/12",
	"CLAIMSMITH_REDIS_PASSWORD":     "0f7c1f5be1c94bb3a0d9e2b7a86d5c43",
	"CLAIMSMITH_KEY_ENCRYPTION_KEY": "X3ePJ3z0nYpQk5m0nWv0hUEcQbOQwYl2iVtqf1m6D8s=",
}

func compose(t *testing.T) map[string]service {
	t.Helper()
	text, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`\$\{(\w+):\?[^}]+}`)
	text = variable.ReplaceAllFunc(text, func(use []byte) []byte {
		name := string(variable.FindSubmatch(use)[1])
		if local[name] == "" {
			t.Errorf("docker-compose.yml needs %s, which its head does not name", name)
		}
		return []byte(local[name])
	})
	var file struct{ Services map[string]service }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Services
}

func TestComposeSettingsAreComplete(t *testing.T) {
	for name, service := range compose(t) {
		if name == "redis" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			unread := maps.Clone(service.Environment)
			_, err := config.Parse(service.Command, func(name string) (string, bool) {
				delete(unread, name)
				value, ok := service.Environment[name]
				return value, ok
			}, io.Discard)
			if err != nil {
				t.Error(err)
			}
			if len(unread) > 0 {
				t.Errorf("no setting of %s reads %s", service.Command, slices.Sorted(maps.Keys(unread)))
			}
		})
	}
}

func TestComposeServicesMayDoLittle(t *testing.T) {
	services := compose(t)
	for name, service := range services {
		if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) ||
			!slices.Equal(service.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s may do more than it must: %+v", name, service)
		}
		for _, port := range service.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s is open to other machines on %s", name, port)
			}
		}
		if name != "redis" && service.DependsOn["redis"].Condition != "service_healthy" {
			t.Errorf("%s does not wait for Redis", name)
		}
	}
	if len(services["redis"].Ports) > 0 || services["redis"].User != "redis" {
		t.Errorf("redis: %+v", services["redis"])
	}
	if !slices.Contains(services["redis"].Volumes, "redis:/data") {
		t.Error("what Redis writes is in no volume")
	}
	if !slices.Contains(services["server"].Volumes, "files:/var/lib/claimsmith/files") {
		t.Error("what people upload is in no volume")
	}
	if !slices.Equal(services["bootstrap"].Profiles, []string{"bootstrap"}) {
		t.Error("bootstrap would run at every start")
	}
	if got := services["server"].Healthcheck.Test; !slices.Equal(got, []string{"CMD", "/claimsmith", "health"}) {
		t.Errorf("the server's health is asked by %s", got)
	}
}

// Redis' own answer to the flags of docker-compose.yml, since a flag it does not know keeps it from starting.
func TestComposeRedisKeepsWhatItConfirms(t *testing.T) {
	service := compose(t)["redis"]
	client := startRedis(t, service)
	for name, want := range map[string]string{
		"appendonly":              "yes",
		"appendfsync":             "always",
		"maxmemory":               "1073741824",
		"maxmemory-policy":        "noeviction",
		"hash-max-listpack-value": "512",
		"requirepass":             local["CLAIMSMITH_REDIS_PASSWORD"],
	} {
		got, err := client.ConfigGet(t.Context(), name).Result()
		if err != nil || got[name] != want {
			t.Errorf("%s is %q, want %q: %v", name, got[name], want, err)
		}
	}

	probe := service.Healthcheck.Test[1:]
	cli, err := exec.LookPath(probe[0])
	if err != nil {
		t.Skipf("health check not run: %v", err)
	}
	for password, healthy := range map[string]bool{service.Environment["REDISCLI_AUTH"]: true, "wrong": false} {
		check := exec.CommandContext(t.Context(), cli, append([]string{"-s", client.Options().Addr}, probe[1:]...)...)
		check.Env = []string{"REDISCLI_AUTH=" + password}
		if out, err := check.CombinedOutput(); (err == nil) != healthy {
			t.Errorf("health check with the password %q: %v\n%s", password, err, out)
		}
	}
}

// startRedis runs the command of the service on a socket of the file system and returns a client.
func startRedis(t *testing.T, service service) *redis.Client {
	t.Helper()
	path, err := exec.LookPath(service.Command[0])
	if err != nil {
		if os.Getenv("CLAIMSMITH_TEST_REQUIRE_REDIS") == "1" {
			t.Fatalf("CLAIMSMITH_TEST_REQUIRE_REDIS=1: %v", err)
		}
		t.Skipf("needs a real Redis: %v", err)
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long a name for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis.sock")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	flags := append(slices.Clone(service.Command[1:]), "--dir", dir, "--port", "0", "--unixsocket", socket)
	server := exec.CommandContext(ctx, path, flags...)
	output, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = server.Wait() // killed, which is its only error
	})
	var log strings.Builder
	for lines := bufio.NewScanner(output); !strings.Contains(log.String(), "ready to accept connections"); {
		if !lines.Scan() {
			t.Fatalf("redis-server %s ended:\n%s", service.Command[1:], log.String())
		}
		log.WriteString(lines.Text() + "\n")
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, Password: service.Environment["REDISCLI_AUTH"]})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// floors are the least versions without known faults that concern this server.
var floors = map[string]string{
	"go":                           "1.26.6",
	"github.com/labstack/echo/v4":  "4.16.0",
	"github.com/golang-jwt/jwt/v5": "5.3.1",
	"github.com/redis/go-redis/v9": "9.22.0",
	"golang.org/x/crypto":          "0.52.0",
	"golang.org/x/net":             "0.56.0",
	"golang.org/x/text":            "0.39.0",
}

// The build of the Dockerfile, run by hand: what it makes is what is deployed.
func TestDockerfileBuildsTheBinary(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*) -o /claimsmith (\S+)$`).FindSubmatch(text)
	user := regexp.MustCompile(`(?m)^USER ([1-9]\d*):[1-9]\d*$`).Find(text)
	if command == nil || user == nil {
		t.Fatal("the Dockerfile has lost its build command or its user")
	}
	binary := filepath.Join(t.TempDir(), "claimsmith")
	build := exec.CommandContext(t.Context(), "sh", "-c", string(command[1])+" -o "+binary+" "+string(command[2]))
	build.Env = append(os.Environ(), "GOFLAGS=") // those of the tests, -race for one, are not those of the image
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range belowFloor(info) {
		t.Error(problem)
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" || setting.Key == "CGO_ENABLED" && setting.Value != "0" {
			t.Errorf("the build depends on more than the source: %s=%s", setting.Key, setting.Value)
		}
	}
	if out, err := exec.CommandContext(t.Context(), binary, "--help").CombinedOutput(); err != nil {
		t.Errorf("--help: %v\n%s", err, out)
	}
}

func belowFloor(info *buildinfo.BuildInfo) []string {
	var problems []string
	check := func(module, have string) {
		least, ok := floors[module]
		// go/version orders the numbers of modules too.
		if have = "go" + strings.TrimPrefix(strings.TrimPrefix(have, "go"), "v"); ok && version.Compare(have, "go"+least) < 0 {
			problems = append(problems, module+" is "+have[len("go"):]+", below "+least)
		}
	}
	check("go", info.GoVersion)
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		check(module.Path, module.Version)
	}
	return problems
}

func TestOldVersionsAreNoticed(t *testing.T) {
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.5"}
	for path, version := range map[string]string{"github.com/labstack/echo/v4": "v4.15.10", "golang.org/x/net": "v0.56.0", "other": "v0.0.1"} {
		info.Deps = append(info.Deps, &debug.Module{Path: path, Version: version})
	}
	want := []string{"go is 1.26.5, below 1.26.6", "github.com/labstack/echo/v4 is 4.15.10, below 4.16.0"}
	if got := belowFloor(info); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
