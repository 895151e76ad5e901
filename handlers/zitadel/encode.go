package zitadel

import (
	"bytes"
	"encoding/base64"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
)

// encode writes a message in the JSON of Protocol Buffers without white space. The library's encoder, which chooses white space at random
// to keep anybody from relying on it, takes longer than all else here: the answers about one entry are written without it.
func encode(m proto.Message) ([]byte, error) {
	var w writer
	switch m := m.(type) {
	case *managementv1.GetUserMetadataResponse:
		w.open()
		w.entry("metadata", m.Metadata)
	case *authv1.GetMyMetadataResponse:
		w.open()
		w.entry("metadata", m.Metadata)
	case *managementv1.SetUserMetadataResponse:
		w.open()
		w.text("id", m.Id)
		w.details(m.Details)
	case *managementv1.RemoveUserMetadataResponse:
		w.open()
		w.details(m.Details)
	default:
		text, err := protojson.Marshal(m)
		if err != nil {
			return nil, err
		}
		compact := jsontext.Value(text)
		err = compact.Compact()
		return compact, err
	}
	w.close()
	return w.b, w.err
}

// writer writes objects, of which it leaves out members that are zero.
type writer struct {
	b   []byte
	err error
}

func (w *writer) open()  { w.b = append(w.b, '{') }
func (w *writer) close() { w.b = append(w.b, '}') }

func (w *writer) name(name string) {
	if w.b[len(w.b)-1] != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

func (w *writer) text(name, value string) {
	if value == "" {
		return
	}
	w.name(name)
	var err error
	if w.b, err = jsontext.AppendQuote(w.b, value); err != nil {
		w.err = err
	}
}

func (w *writer) entry(name string, e *metadatav1.Metadata) {
	if e == nil {
		return
	}
	w.name(name)
	w.open()
	w.details(e.Details)
	w.text("key", e.Key)
	if len(e.Value) > 0 {
		w.name("value")
		w.b = append(base64.StdEncoding.AppendEncode(append(w.b, '"'), e.Value), '"')
	}
	w.close()
}

func (w *writer) details(d *zitadelv1.ObjectDetails) {
	if d == nil {
		return
	}
	w.name("details")
	w.open()
	if d.Sequence != 0 {
		w.name("sequence")
		w.b = append(strconv.AppendUint(append(w.b, '"'), d.Sequence, 10), '"')
	}
	w.time("creationDate", d.CreationDate)
	w.time("changeDate", d.ChangeDate)
	w.text("resourceOwner", d.ResourceOwner)
	w.close()
}

// time writes as many digits of a second as it takes: none, three, six or nine.
func (w *writer) time(name string, t *timestamppb.Timestamp) {
	if t == nil {
		return
	}
	w.name(name)
	w.b = t.AsTime().AppendFormat(append(w.b, '"'), "2006-01-02T15:04:05.000000000")
	for range 2 {
		w.b = bytes.TrimSuffix(w.b, []byte("000"))
	}
	w.b = append(bytes.TrimSuffix(w.b, []byte(".000")), 'Z', '"')
}
