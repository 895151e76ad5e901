package handlers

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
)

const (
	homePath  = "/"
	livePath  = "/healthz"
	readyPath = "/readyz"
)

// Check is one condition for taking traffic. Run is called concurrently, and must heed its context.
type Check struct {
	Name string // shown to whoever asks
	Run  func(context.Context) error
}

// operations is the dialect of the first page and the health routes, and of every path that is nobody else's.
type operations struct{ server *Server }

func (operations) Name() string       { return "operations" }
func (operations) Prefixes() []string { return []string{livePath, readyPath} }

func (o operations) Mount(e *echo.Echo) {
	e.GET(homePath, o.home)
	e.GET(livePath, o.live)
	e.GET(readyPath, o.ready)
}

func (operations) RenderError(c echo.Context, p problem.Problem) error { return p.Write(c.Response()) }

// home says where everything is, for whoever opens nothing but the server's address.
func (o operations) home(c echo.Context) error {
	at := o.server.config.Issuer
	body, err := json.Marshal(struct {
		Issuer    string `json:"issuer"`
		Discovery string `json:"discovery"`
		API       string `json:"api"`
		Docs      string `json:"docs"`
		Account   string `json:"account"`
		Console   string `json:"console"`
	}{at, at + "/.well-known/openid-configuration", at + "/openapi.json", at + "/docs/", at + "/account", at + "/console"})
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, body)
}

// live says that the process answers, and asks nothing else.
func (operations) live(c echo.Context) error {
	return c.JSONBlob(http.StatusOK, []byte(`{"status":"alive"}`))
}

// ready says whether requests should be sent here. A check that failed is named, its error is logged.
func (o operations) ready(c echo.Context) error {
	answer := struct {
		Status string   `json:"status"`
		Failed []string `json:"failed,omitempty"`
	}{Status: "ready"}
	if o.server.draining.Load() {
		answer.Failed = append(answer.Failed, "draining")
	}
	ctx := c.Request().Context()
	for _, check := range o.server.config.Ready {
		if err := check.Run(ctx); err != nil {
			answer.Failed = append(answer.Failed, check.Name)
			o.server.config.Logger.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.String("check", check.Name), slog.String("error", err.Error()))
		}
	}
	status := http.StatusOK
	if answer.Failed != nil {
		answer.Status, status = "not ready", http.StatusServiceUnavailable
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return c.JSONBlob(status, body)
}
