package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// chainKey is a key with the organisation whose chain it links, so that no entry fits into another's.
type chainKey struct {
	key []byte
	org string
}

// link is the hash of an entry behind another one.
func (k chainKey) link(previous string, e *Entry) string {
	return k.sum("entry", e.Seq, previous, microseconds(e.Time),
		e.Action, e.Actor, e.Org, e.Target, e.Outcome, e.Reason, e.ID, e.Address, e.Dialect)
}

// proof shows that everything up to an entry was removed by who has the key.
func (k chainKey) proof(seq uint64, hash string) string { return k.sum("base", seq, hash) }

// sum authenticates texts such that no two lists of them are the same bytes.
func (k chainKey) sum(kind string, seq uint64, texts ...string) string {
	mac := hmac.New(sha256.New, k.key)
	buffer := make([]byte, 0, 512)
	for _, text := range append([]string{"claimsmith audit " + kind + " v1", k.org}, texts...) {
		buffer = binary.BigEndian.AppendUint32(buffer, uint32(len(text))) //nolint:gosec // texts of at most maxText
		buffer = append(buffer, text...)
	}
	mac.Write(binary.BigEndian.AppendUint64(buffer, seq))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func microseconds(t time.Time) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(t.UnixMicro())))
}

// maxText bounds every text of an entry.
const maxText = 512

// tidy makes a text fit to be stored and shown anywhere.
func tidy(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
