package page_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/handlers/console/page"
)

func TestValidColor(t *testing.T) {
	for text, want := range map[string]string{
		"#0B7A4b": "0b7a4b", "": "", "0b7a4b": "", "#fff": "", "#0b7a4g": "", "#0b7a4b;}": "", "red": "", "#0b7a4b\n": "", "url(x)": "",
	} {
		if got := page.ValidColor(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

var styleForm = regexp.MustCompile(`^:root\{--brand:#([0-9a-f]{6});--on-brand:#([0-9a-f]{6});--accent:#([0-9a-f]{6})\}
@media \(prefers-color-scheme:dark\)\{:root\{--brand:#([0-9a-f]{6});--on-brand:#([0-9a-f]{6});--accent:#([0-9a-f]{6})\}\}
$`)

// Whatever colour an organisation has, its pages can be read (WCAG 2.2 AA).
func TestBrandStyleIsLegible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		color := fmt.Sprintf("%06x", rapid.IntRange(0, 0xffffff).Draw(t, "color"))
		c := styleForm.FindStringSubmatch(page.BrandStyle(color))
		if c == nil {
			t.Fatalf("%q", page.BrandStyle(color))
		}
		for _, pair := range []struct {
			what, a, b string
			contrast   float64
		}{
			{"text on buttons", c[1], c[2], 4.5}, {"buttons", c[1], "ffffff", 3}, {"links", c[3], "ffffff", 4.5},
			{"text on buttons, dark", c[4], c[5], 4.5}, {"buttons, dark", c[4], "161c27", 3}, {"links, dark", c[6], "161c27", 4.5},
		} {
			if got := contrast(pair.a, pair.b); got < pair.contrast {
				t.Errorf("%s: #%s on #%s has %.2f", pair.what, pair.a, pair.b, got)
			}
		}
	})
}

var variableForm = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// The pages' own colours can be read, in light and in dark (WCAG 2.2 AA).
func TestOwnColorsAreLegible(t *testing.T) {
	text, err := os.ReadFile("static/base.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(text), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no dark colours")
	}
	dark, _, _ = strings.Cut(dark, "\n}\n")
	for scheme, block := range map[string]string{"light": light, "dark": dark} {
		colors := map[string]string{}
		for _, m := range variableForm.FindAllStringSubmatch(block, -1) {
			colors[m[1]] = m[2]
		}
		for _, pair := range []struct {
			a, b     string
			contrast float64
		}{
			{"text", "ground", 4.5}, {"text", "surface", 4.5}, {"text", "sunken", 4.5}, {"muted", "ground", 4.5}, {"muted", "surface", 4.5},
			{"accent", "surface", 4.5}, {"accent", "ground", 4.5}, {"on-brand", "brand", 4.5}, {"danger", "surface", 4.5},
			{"danger", "danger-ground", 4.5}, {"good", "good-ground", 4.5}, {"caution", "caution-ground", 4.5},
			{"field", "surface", 3}, {"field", "ground", 3}, {"brand", "surface", 3},
		} {
			if colors[pair.a] == "" || colors[pair.b] == "" {
				t.Errorf("%s: no %s or %s", scheme, pair.a, pair.b)
			} else if got := contrast(colors[pair.a], colors[pair.b]); got < pair.contrast {
				t.Errorf("%s: %s on %s has %.2f", scheme, pair.a, pair.b, got)
			}
		}
	}
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

func luminance(color string) (sum float64) {
	for n, weight := range []float64{0.2126, 0.7152, 0.0722} {
		part, _ := strconv.ParseUint(color[2*n:2*n+2], 16, 8)
		s := float64(part) / 255
		if s <= 0.04045 {
			sum += weight * s / 12.92
		} else {
			sum += weight * math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return sum
}
