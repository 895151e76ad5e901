package operate

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

// maxEditable is how long a value can be edited in a field, in bytes.
const maxEditable = 32 << 10

// row is an entry in the editor.
type row struct {
	// N tells the row's fields from those of others.
	N   int
	Key string
	// Definition is that of the key, nil for none.
	Definition *metadata.Definition
	Kind       page.Kind
	Choices    []page.Choice
	// Text is what the field holds.
	Text string
	// Open: the key is still to be typed, Locked: the value cannot be edited here.
	Open, Locked bool
	Bytes        int
	Claim        bool
	Delete       bool
	// Was tells what was shown: a row that is as it was is no change. "" for a new one.
	Was string
	// Fault is what is wrong with the row, Theirs what somebody else has made of the entry meanwhile.
	Fault     string
	Theirs    *theirs
	ChangedAt time.Time
	ChangedBy string
}

type theirs struct {
	Gone, Claim   bool
	Text, By      string
	At            time.Time
	Take, Deleted bool
}

// Rule is what the definition says about being a claim, "" for nothing.
func (r *row) Rule() metadata.ClaimRule {
	if r.Definition == nil || r.Definition.Claim == metadata.ClaimOptional {
		return ""
	}
	return r.Definition.Claim
}

// Lines is how high the field for the value is.
func (r *row) Lines() int {
	const least, most = 1, 14
	return min(max(strings.Count(r.Text, "\n")+1, (len(r.Text)+59)/60, least), most)
}

// Several reports whether the value needs a field of several lines.
func (r *row) Several() bool { return r.Kind == page.KindJSON || r.Open || r.Lines() > 1 }

// True reports whether the value is yes.
func (r *row) True() bool { return r.Text == "true" }

// fingerprint tells whether a row is still what it was.
func (r *row) fingerprint() string {
	claim := r.Rule() == metadata.ClaimAlways || r.Claim && r.Rule() == "" // where it is not the row's to say, it is no change
	sum := sha256.Sum256([]byte(string(r.Kind) + "\x00" + strconv.FormatBool(claim) + "\x00" + r.Text))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Changed reports whether saving would change the entry.
func (r *row) Changed() bool {
	return (r.Theirs == nil || !r.Theirs.Take) && (r.Delete || r.Was == "" || r.fingerprint() != r.Was)
}

// blank is an open row nobody has typed anything into.
func (r *row) blank() bool { return r.Open && r.Key == "" && strings.TrimSpace(r.Text) == "" }

// rowOf is the row of a stored entry.
func rowOf(e metadata.Entry, s *scheme) row {
	d := s.definition(e.Key)
	r := row{
		Key: e.Key, Definition: d, Claim: e.ProfileClaim, Bytes: len(e.Value.Raw()), ChangedAt: e.ChangedAt, ChangedBy: e.ChangedBy,
	}
	r.fill(e.Value, page.ShapeOf(d))
	r.Was = r.fingerprint()
	return r
}

// fill chooses the field for a value: that of the definition if the value fits it, else that of the value.
func (r *row) fill(v metadata.Value, s page.Shape) {
	text, plain := page.PlainText(v)
	raw := v.Raw()
	switch {
	case v.Kind() == metadata.KindBytes:
		r.Kind, r.Locked = page.KindBytes, true
	case len(raw) > maxEditable:
		r.Kind, r.Locked = page.KindJSON, true
	case s.Kind == page.KindChoice && slices.ContainsFunc(s.Choices, func(c page.Choice) bool { return c.Value == raw }):
		r.Kind, r.Choices, r.Text = page.KindChoice, s.Choices, raw
	case plain && s.Kind != page.KindJSON:
		r.Kind, r.Text = page.KindText, text
	case raw == "true", raw == "false":
		r.Kind, r.Text = page.KindYesNo, raw
	case raw[0] == '-', '0' <= raw[0] && raw[0] <= '9':
		r.Kind, r.Text = page.KindNumber, raw
	default:
		r.Kind, r.Text = page.KindJSON, page.Pretty(raw)
	}
	if r.Locked {
		r.Text = raw[:min(len(raw), 200)]
		if v.Kind() == metadata.KindBytes {
			r.Text = shorten(shownValue(v), 200)
		}
		r.Text = strings.ToValidUTF8(r.Text, "")
	}
}

// newRow is the row of a key that has no entry yet, open where the key is still to be typed.
func newRow(key string, s *scheme) row {
	if key == "" {
		return row{Open: true, Kind: page.KindText}
	}
	d := s.definition(key)
	r := row{Key: key, Definition: d}
	shape := page.ShapeOf(d)
	r.Kind, r.Choices = shape.Kind, shape.Choices
	if r.Kind == "" {
		r.Kind = page.KindJSON
	}
	if d != nil {
		r.Key, r.Claim = d.Key, d.ProfileClaim || d.Claim == metadata.ClaimAlways
	}
	if r.Kind == page.KindChoice && len(r.Choices) > 0 {
		r.Text = r.Choices[0].Value
	}
	return r
}

// rowsOf are the rows of a document, in the order of their keys.
func rowsOf(doc metadata.Document, s *scheme) []row {
	rows := make([]row, 0, len(doc.Entries))
	for _, e := range doc.Entries {
		rows = append(rows, rowOf(e, s))
	}
	return rows
}

// readRows reads the rows of a form.
func readRows(form url.Values, s *scheme) []row {
	n, err := strconv.Atoi(form.Get("rows"))
	if err != nil || n < 0 || n > maxFields {
		n = 0
	}
	rows := make([]row, 0, n)
	for i := range n {
		at := func(name string) string { return form.Get(name + "." + strconv.Itoa(i)) }
		r := row{
			Key: at("key"), Kind: page.Kind(at("kind")), Text: page.Lines(at("value")), Open: at("open") != "", Locked: at("locked") != "",
			Claim: at("claim") != "", Delete: at("delete") != "", Was: at("was"),
		}
		r.Definition = s.definition(r.Key)
		switch {
		case r.Kind == page.KindYesNo && !r.Open:
			r.Text = strconv.FormatBool(r.Text == "true")
		case r.Kind == page.KindChoice:
			r.Choices = page.ShapeOf(r.Definition).Choices
		case r.Kind != page.KindJSON && r.Kind != page.KindText:
			r.Text = strings.TrimSpace(r.Text)
		}
		switch r.Rule() { // what a box that cannot be ticked says
		case metadata.ClaimAlways:
			r.Claim = true
		case metadata.ClaimNever:
			r.Claim = false
		}
		if at("take") != "" {
			r.Theirs = &theirs{Take: true}
		}
		if !r.blank() {
			rows = append(rows, r)
		}
	}
	return rows
}

// put is what a row says the entry is to be. stored is the document, for values that are not in the form.
func (r *row) put(stored metadata.Document) (metadata.Put, error) {
	p := metadata.Put{Key: r.Key, ProfileClaim: r.Claim}
	var err error
	switch {
	case r.Locked:
		e, ok := stored.Entry(r.Key)
		if !ok {
			return p, &metadata.Error{Code: metadata.Conflict, Field: r.Key, Detail: "the entry is gone"}
		}
		p.Value = e.Value
	case r.Kind == page.KindText:
		p.Value, err = page.TextValue(r.Text)
	default:
		p.Value, err = jsonValue(r.Text)
	}
	if err == nil && !kindFits(r.Kind, p.Value) {
		err = &metadata.Error{Code: metadata.Invalid, Field: r.Key, Detail: "not a " + string(r.Kind)}
	}
	return p, err
}

func kindFits(k page.Kind, v metadata.Value) bool {
	raw := v.Raw()
	switch k {
	case page.KindNumber:
		return raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9'
	case page.KindYesNo:
		return raw == "true" || raw == "false"
	}
	return true
}
