package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// The pages of the documentation show every document that is served, under a policy the browser complains about nowhere.
func TestDocumentationInChromium(t *testing.T) {
	c := newChromium(t)
	for address, want := range map[string]string{
		"/docs/": "Claimsmith", "/docs/?document=iblai": "ibl.ai platform metadata", "/docs/?document=sentinel": "Sentinel user profiles",
		"/docs/?document=zitadel": "Zitadel user metadata",
	} {
		c.do(address, visit(c.issuer+address), chromedp.WaitVisible(chromedp.CSS("#api .info .title")), chromedp.WaitVisible(chromedp.CSS("#documents a")))
		title, err := chromedp.Run(c.ctx, chromedp.Text(chromedp.CSS("#api .info .title")))
		if err != nil || !strings.HasPrefix(title, want) {
			t.Errorf("%s shows %q, %v", address, title, err)
		}
		links, err := chromedp.Run(c.ctx, chromedp.Text(chromedp.ID("documents")))
		if err != nil || links != "claimsmith iblai sentinel zitadel" {
			t.Errorf("%s offers %q, %v", address, links, err)
		}
	}
	c.do("another document", chromedp.Click(chromedp.CSS(`#documents a[href="?document=iblai"]`)), chromedp.WaitVisible(chromedp.CSS("#operations-Platform_metadata-getPlatformMetadata")))
	if n := len(c.complaints); n > 0 {
		t.Errorf("the browser complains: %s", <-c.complaints)
	}
}
