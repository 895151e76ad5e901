package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

// Nobody is created whom the documents of his applications do not fit.
func TestImportCountsApplications(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	line := func(username string, n int) string {
		apps := make([]string, n)
		for i := range apps {
			apps[i] = fmt.Sprintf(`{"client_id":"app%d"}`, i)
		}
		return `{"username":"` + username + `","apps":[` + strings.Join(apps, ",") + `]}`
	}
	most := metadata.DefaultLimits.Applications
	for _, query := range []string{"?dry_run=true", ""} {
		outcomes, _ := w.stream("/api/user/import"+query, adminToken, line("many", most+1), line("fits", most))
		w.wantStream([]string{"1 422 limit_exceeded", "2 200"}, outcomes)
	}
	w.get("/api/user/many", adminToken).want(t, http.StatusNotFound)
	w.get("/api/user/fits", adminToken).want(t, http.StatusOK)
}
