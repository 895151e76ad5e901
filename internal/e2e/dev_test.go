package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// The lines to copy give what README.md shows for them, and are the same.
func TestDevPrintsLinesToCopy(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skipf("the lines to copy need curl: %v", err)
	}
	s := dev(t)
	printed := regexp.MustCompile(`(?m)^curl .*$`).FindAllString(s.stdout.String(), -1)
	if len(printed) != 4 {
		t.Fatalf("%d lines to copy in:\n%s", len(printed), s.stdout)
	}
	readme := readmeExamples(t)
	for n, line := range printed {
		command := exec.Command("bash", "-c", "set -o pipefail\n"+line)
		got, err := command.Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		shown := readme[n]
		if shown.command != "" && !elided(shown.command, s.issuer).MatchString(line) {
			t.Errorf("dev prints\n%s\nREADME.md shows\n%s", line, shown.command)
		}
		if answered := strings.TrimSpace(string(got)); !elided(shown.answer, s.issuer).MatchString(answered) {
			t.Errorf("%s\nanswers\n%s\nREADME.md shows\n%s", line, answered, shown.answer)
		}
	}
}

// example is a line to copy, "" where README.md describes it in words, and what it answers.
type example struct{ command, answer string }

func readmeExamples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples []example
	for _, block := range regexp.MustCompile("(?s)```(?:console|json)\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		command, answered, isCommand := strings.Cut(block[1], "\n")
		if !isCommand {
			command, answered = "", block[1]
		}
		examples = append(examples, example{strings.TrimPrefix(command, "$ "), answered})
	}
	if len(examples) != 4 {
		t.Fatalf("README.md has %d examples of what dev prints", len(examples))
	}
	return examples
}

// generated are the members whose values every server makes up for itself.
var generated = regexp.MustCompile(`"(sub|jti|sid|kid|x|y|exp|iat|auth_time)":("[^"]*"|\d+)`)

// elided matches a text of README.md, where … stands for anything, with the values that a server makes up and its address.
func elided(text, issuer string) *regexp.Regexp {
	text = strings.ReplaceAll(text, "http://127.0.0.1:8080", issuer)
	text = generated.ReplaceAllString(text, `"$1":…`)
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(text), "…", ".+") + "$")
}

func TestDevBecomesReadyAtOnce(t *testing.T) {
	begin := time.Now()
	s := dev(t)
	s.login(janeMail, devPassword).want(t, http.StatusOK)
	t.Logf("from start to first token: %s", time.Since(begin).Round(time.Millisecond))
}

func TestDevMakesItsOwnCredentials(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 2 {
		p := start(t, nil, "dev", "--addr", "127.0.0.1:0")
		s := &server{process: p, url: p.find(p.stdout, `at (http://127\.0\.0\.1:\d+)\n`)}
		s.awaitReady()
		token, password := p.find(p.stdout, `operator API token +(cs_at_dev_\S{20,})\n`), p.find(p.stdout, `password +(dev-\S{12,})\n`)
		s.get("/api/user/jane", token).want(t, http.StatusOK)
		s.login("jane", password).want(t, http.StatusOK)
		if seen[token] || seen[password] {
			t.Errorf("two servers have the same credentials")
		}
		seen[token], seen[password] = true, true
	}
}

func TestDevRefusesToListenToOthers(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0", "example.com:0"} {
		for _, flag := range []string{"--addr", "--metrics-addr"} {
			code, stdout, stderr := run(t, nil, "dev", flag, addr)
			want := `"` + addr + `" is open to other machines: dev listens on loopback only`
			if code != 2 || stdout != "" || !strings.Contains(stderr, flag) || !strings.Contains(stderr, want) {
				t.Errorf("dev %s %s: exit code %d, %q %q", flag, addr, code, stdout, stderr)
			}
		}
	}
}

func TestDevKeepsDataInRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t)
	first := dev(t, "--redis-addr", redis.Addr())
	first.send(http.MethodPut, "/api/user/jane/metadata/theme", devOperator, `{"value":"Dark Mode","profileClaim":true}`).want(t, 200)
	jane := first.get("/api/user/jane", devOperator).want(t, 200).text(t, "id")
	keys := first.get("/.well-known/jwks.json", "").body
	first.terminate()
	first.wait(patience)

	second := dev(t, "--redis-addr", redis.Addr())
	if said := "Data is kept in the Redis at " + redis.Addr(); !strings.Contains(second.stdout.String(), said) {
		t.Errorf("it does not say %q:\n%s", said, second.stdout)
	}
	if got := second.get("/api/user/jane", devOperator).want(t, 200).text(t, "id"); got != jane {
		t.Errorf("jane was %s and is %s", jane, got)
	}
	if got := second.get("/.well-known/jwks.json", "").body; got != keys {
		t.Errorf("keys were\n%s\nand are\n%s", keys, got)
	}
	if got := second.get("/api/user/jane/metadata/theme", devOperator).want(t, 200).text(t, "value"); got != "Dark Mode" {
		t.Errorf("the entry is %q", got)
	}
	second.login(janeMail, devPassword).want(t, 200)
}

func TestDevSaysThatNothingIsKept(t *testing.T) {
	t.Parallel()
	if said := "Nothing is kept: all data ends with this process."; !strings.Contains(dev(t).stdout.String(), said) {
		t.Errorf("it does not say %q", said)
	}
}

func TestDevEndsWhenTold(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		s := dev(t)
		if err := s.cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if code := s.wait(patience); code != 0 {
			t.Errorf("%s: exit code %d\n%s", signal, code, s.stderr)
		}
	}
}
