package console

import (
	"embed"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/text/language"
)

//go:embed messages/*.json
var messageFiles embed.FS

// Languages are those of the pages, the first for who wants another one.
func Languages() []string {
	var tags []string
	for _, c := range catalogues {
		tags = append(tags, c.tag)
	}
	return tags
}

// catalogue is every text of the pages in one language, by key. {name} in a text is a place to fill in.
type catalogue struct {
	tag   string
	texts map[string]string
	// day and moment are how times are written.
	day, moment string
}

var (
	catalogues = []*catalogue{
		readCatalogue("en", "2 January 2006", "2 January 2006, 15:04"),
		readCatalogue("de", "02.01.2006", "02.01.2006, 15:04"),
	}
	matcher = language.NewMatcher(tagsOf(catalogues))
)

func readCatalogue(tag, day, moment string) *catalogue {
	c := &catalogue{tag: tag, day: day, moment: moment}
	text, err := messageFiles.ReadFile(path.Join("messages", tag+".json"))
	if err == nil {
		err = json.Unmarshal(text, &c.texts)
	}
	if err != nil {
		panic(err) // the files are in the binary
	}
	return c
}

func tagsOf(catalogues []*catalogue) []language.Tag {
	var tags []language.Tag
	for _, c := range catalogues {
		tags = append(tags, language.Make(c.tag))
	}
	return tags
}

// maxLocales bounds what is read of a browser's languages.
const maxLocales = 1 << 10

// languageOf returns the catalogue for a list of ui_locales (OpenID Connect Core §3.1.2.1) and an Accept-Language header, in that order.
func languageOf(uiLocales, acceptLanguage string) *catalogue {
	for _, wanted := range []string{strings.Join(strings.Fields(uiLocales), ","), acceptLanguage} {
		if wanted == "" || len(wanted) > maxLocales {
			continue
		}
		tags, _, err := language.ParseAcceptLanguage(wanted)
		if err != nil {
			continue
		}
		if _, n, confidence := matcher.Match(tags...); confidence != language.No {
			return catalogues[n]
		}
	}
	return catalogues[0]
}

// words are the texts of one language, for templates.
type words struct{ *catalogue }

// Language is the tag of the language.
func (w words) Language() string { return w.tag }

// T returns a text, its places filled in from pairs of name and value.
func (w words) T(key string, pairs ...string) string {
	text, known := w.texts[key]
	if !known {
		return key
	}
	replacements := slices.Clone(pairs)
	for n := 0; n < len(replacements); n += 2 {
		replacements[n] = "{" + replacements[n] + "}"
	}
	return strings.NewReplacer(replacements...).Replace(text)
}

// Has reports whether there is a text of a key.
func (w words) Has(key string) bool { return w.texts[key] != "" }

// Day and Moment write a time. Where its reader lives is not known.
func (w words) Day(t time.Time) string { return t.UTC().Format(w.day) }

// Moment is Day with the time of day.
func (w words) Moment(t time.Time) string {
	return w.T("common.utc", "time", t.UTC().Format(w.moment))
}

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
