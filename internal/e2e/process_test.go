package e2e

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/testkit"
)

// patience bounds every wait for something that should come at once. It only passes when something is broken.
const patience = 30 * time.Second

// process is one run of the binary, or of another program a test needs.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	gone   chan struct{} // closed when it has ended
}

// output is what a process has written so far.
type output struct{ testkit.Log }

// tail is the end of it, for messages.
func (o *output) tail() string {
	const most = 4000
	text := o.String()
	return text[max(0, len(text)-most):]
}

// start runs the binary with settings, which are CLAIMSMITH_ variables, and arguments. It ends with the test.
func start(t testing.TB, settings []string, args ...string) *process {
	t.Helper()
	return launch(t, settings, binary, args...)
}

func launch(t testing.TB, settings []string, path string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(path, args...), stdout: new(output), stderr: new(output), gone: make(chan struct{})}
	for _, v := range os.Environ() { // what the developer has set is not what is tested
		if !strings.HasPrefix(v, "CLAIMSMITH_") {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	p.cmd.Env = append(p.cmd.Env, settings...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.SysProcAttr = dieWithParent()
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // to the kernel the parent is the thread, which must outlive the child
		defer runtime.UnlockOSThread()
		defer close(p.gone)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in cmd.ProcessState
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

// run runs the binary to its end.
func run(t testing.TB, settings []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, settings, args...)
	code = p.wait(patience)
	return code, p.stdout.String(), p.stderr.String()
}

// kill ends the process as a crash would, and fails the test for what should never be found in what it wrote.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // the only error is that it has ended
	<-p.gone
	for _, never := range []string{"WARNING: DATA RACE", "panic"} {
		if strings.Contains(p.stderr.String(), never) {
			p.t.Errorf("%s wrote %q:\n%s", p.cmd.Args, never, p.stderr.tail())
		}
	}
}

// terminate asks the process to end.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns the exit code of a process that is to end by itself.
func (p *process) wait(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.gone:
	case <-time.After(within):
		p.t.Fatalf("%s still runs after %s:\n%s%s", p.cmd.Args, within, p.stdout.tail(), p.stderr.tail())
	}
	return p.cmd.ProcessState.ExitCode()
}

// find waits for the first match of a pattern in what the process writes, and returns its first group.
func (p *process) find(from *output, pattern string) string {
	p.t.Helper()
	compiled := regexp.MustCompile(pattern)
	var found []string
	p.until("it writes "+pattern, func() bool {
		found = compiled.FindStringSubmatch(from.String())
		return found != nil
	})
	return found[1]
}

// until waits for a condition while the process runs.
func (p *process) until(what string, condition func() bool) {
	p.t.Helper()
	eventually(p.t, what, patience, func() bool {
		if condition() {
			return true
		}
		select {
		case <-p.gone:
			if condition() {
				return true
			}
			p.t.Fatalf("waiting until %s: %s ended with %v:\n%s%s", what, p.cmd.Args, p.cmd.ProcessState, p.stdout.tail(), p.stderr.tail())
		default:
		}
		return false
	})
}

// eventually waits for a condition and fails the test when it does not hold within a time.
func eventually(t testing.TB, what string, within time.Duration, condition func() bool) time.Duration {
	t.Helper()
	const often = 10 * time.Millisecond
	begin := time.Now()
	tick := time.NewTicker(often)
	defer tick.Stop()
	for !condition() {
		if time.Since(begin) > within {
			t.Fatalf("after %s it is not yet so that %s", within, what)
		}
		<-tick.C
	}
	return time.Since(begin)
}

// server is a running claimsmith that takes requests.
type server struct {
	*process
	url    string // of the listener
	issuer string // what it calls itself
}

// Credentials of every dev server here.
const (
	devOperator = "cs_at_dev_e2e-operator"
	devPassword = "dev-password-of-jane"
	janeMail    = "jane.doe@example.com"
)

// dev starts a development server with the credentials above.
func dev(t testing.TB, args ...string) *server {
	t.Helper()
	p := start(t, []string{"CLAIMSMITH_DEV_OPERATOR_TOKEN=" + devOperator, "CLAIMSMITH_DEV_PASSWORD=" + devPassword},
		append([]string{"dev", "--addr", "127.0.0.1:0"}, args...)...)
	url := p.find(p.stdout, `Claimsmith for development, at (http://127\.0\.0\.1:\d+)\n`)
	s := &server{process: p, url: url, issuer: url}
	s.awaitReady()
	return s
}

func (s *server) awaitReady() {
	s.t.Helper()
	s.until("it is ready", func() bool {
		response, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// addr is the host:port of the listener.
func (s *server) addr() string { return strings.TrimPrefix(s.url, "http://") }

// refusesConnections reports whether nothing listens any more.
func (s *server) refusesConnections() bool {
	conn, err := net.Dial("tcp", s.addr())
	if err == nil {
		_ = conn.Close()
	}
	return err != nil
}
