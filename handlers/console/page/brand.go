package page

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

var colorForm = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)

// validColor returns a colour as a style is called by: rrggbb, or "" for what is none.
func validColor(text string) string {
	if !colorForm.MatchString(text) {
		return ""
	}
	return strings.ToLower(text[1:])
}

// PathBrand is where Brand is to be mounted, below the issuer.
const PathBrand = "/brand"

// Brand serves the style for a colour, PathBrand/rrggbb.css: an organisation's style is its colour, so it says nothing of which
// organisations there are, and never changes.
func Brand(c echo.Context) error {
	style, err := request.PathValue(c, "style")
	if err != nil {
		return err
	}
	name, isStyle := strings.CutSuffix(style, ".css")
	if !isStyle || validColor("#"+name) != name || name == "" {
		return problem.New(problem.NotFound, "")
	}
	c.Response().Header().Set("Cache-Control", Unchanging)
	return c.Blob(http.StatusOK, mediaTypes[".css"], []byte(brandStyle(name)))
}

// Surfaces of the pages in static/base.css, and the contrasts of WCAG 2.2 §1.4.3 and §1.4.11.
var (
	white, black   = rgb{255, 255, 255}, rgb{0, 0, 0}
	lightSurface   = rgb{0xff, 0xff, 0xff}
	darkSurface    = rgb{0x16, 0x1c, 0x27}
	darkText       = rgb{0x0d, 0x12, 0x20}
	textContrast   = 4.5
	objectContrast = 3.0
)

// brandStyle sets the colours that are an organisation's, changed as far as it takes to be read.
func brandStyle(color string) string {
	n, err := strconv.ParseUint(color, 16, 32)
	if err != nil {
		return ""
	}
	c := rgb{float64(n >> 16 & 0xff), float64(n >> 8 & 0xff), float64(n & 0xff)}
	variables := func(button, accent rgb) string {
		return fmt.Sprintf(":root{--brand:%s;--on-brand:%s;--accent:%s}", button, button.legible(), accent)
	}
	return variables(c.towards(black, lightSurface, objectContrast), c.towards(black, lightSurface, textContrast)) +
		"\n@media (prefers-color-scheme:dark){" +
		variables(c.towards(white, darkSurface, objectContrast), c.towards(white, darkSurface, textContrast)) + "}\n"
}

// rgb is a colour, each part from 0 to 255.
type rgb [3]float64

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", uint8(c[0]), uint8(c[1]), uint8(c[2]))
}

// luminance is the relative luminance of WCAG 2.2.
func (c rgb) luminance() float64 {
	linear := func(part float64) float64 {
		part /= 255
		if part <= 0.04045 {
			return part / 12.92
		}
		return math.Pow((part+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is the contrast ratio of WCAG 2.2.
func (c rgb) contrast(other rgb) float64 {
	a, b := c.luminance(), other.luminance()
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// legible is the better colour for text on c; one of the two always has 4.5.
func (c rgb) legible() rgb {
	if c.contrast(white) >= textContrast {
		return white
	}
	if c.contrast(darkText) >= textContrast {
		return darkText
	}
	return black
}

// towards mixes c with another colour until it stands out from its background.
func (c rgb) towards(other, background rgb, contrast float64) rgb {
	const steps = 64
	mixed := c
	for n := range steps {
		if mixed.contrast(background) >= contrast {
			break
		}
		share := float64(n+1) / steps
		for part := range mixed {
			mixed[part] = math.Round(c[part] + (other[part]-c[part])*share)
		}
	}
	return mixed
}
