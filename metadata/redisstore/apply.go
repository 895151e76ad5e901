package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/metadata"
)

// The script that changes documents, in three parts.
var (
	//go:embed apply.lua
	applySource string
	//go:embed apply_limits.lua
	limitsSource string
	//go:embed apply_write.lua
	writeSource string

	applyScript = redis.NewScript(applySource + limitsSource + writeSource)
)

// Apply is part of metadata.Store.
func (s *Store) Apply(ctx context.Context, o metadata.Owner, p metadata.Patch) (metadata.Document, error) {
	if err := recordable(o, p); err != nil {
		return metadata.Document{}, err
	}
	keys := []string{s.record(o), s.entries(o), s.claims(o), s.history(o)}
	switch kindOf(o) {
	case userWide:
		partition := s.space.Partition(o.User)
		keys = append(keys, s.space.Announced(partition, o.Org), s.space.Terms(o.Org, o.User), s.space.Index(partition, o.Org))
	case application:
		keys = append(keys, s.space.Announced(s.space.Partition(o.User), o.Org), s.space.AppDocuments(o.User))
	case shared:
		keys = append(keys, s.space.Scheme(o.Org))
	}
	reply, err := s.runner.Run(ctx, applyScript, keys, arguments(o, p)...)
	if err != nil {
		return metadata.Document{}, verdict(err)
	}
	fields, err := pairs(reply)
	if err != nil {
		return metadata.Document{}, metadata.Unknown("redisstore: read changed document", err)
	}
	doc, err := parseDocument(fields)
	if err != nil {
		return metadata.Document{}, metadata.Unknown("redisstore: read changed document", err)
	}
	return doc, nil
}

// recordable reports what of a change would spoil the formats; Service makes no such change.
func recordable(o metadata.Owner, p metadata.Patch) error {
	switch {
	case p.ChangedBy == "" || strings.ContainsAny(p.ChangedBy+p.Via, " \t\n\v\f\r"):
		return fmt.Errorf("redisstore: a change by %q through %q cannot be recorded", p.ChangedBy, p.Via)
	case p.Op == "" || len(p.Op) > 64 || strings.ContainsAny(p.Op, ",@ "):
		return fmt.Errorf("redisstore: operation %q cannot be recorded", p.Op)
	case p.Groups != nil && kindOf(o) != userWide:
		return fmt.Errorf("redisstore: %+v cannot be in groups", o)
	}
	if p.Groups != nil {
		for _, id := range *p.Groups {
			if id == "" || strings.ContainsAny(id, ",\x00") {
				return fmt.Errorf("redisstore: %q cannot be the id of a group", id)
			}
		}
	}
	for _, put := range p.Set {
		if strings.Contains(put.Term, "\x00") {
			return fmt.Errorf("redisstore: the term of %q has a NUL", put.Key)
		}
	}
	return nil
}

// The kinds of documents, as apply.lua calls them.
const (
	userWide    = "user"
	application = "application"
	shared      = "shared"
)

func kindOf(o metadata.Owner) string {
	switch {
	case o.Shared():
		return shared
	case o.App != "":
		return application
	default:
		return userWide
	}
}

// arguments are ARGV of apply.lua.
func arguments(o metadata.Owner, p metadata.Patch) []any {
	args := make([]any, 0, 37+len(p.Delete)+4*len(p.Set))
	kind := kindOf(o)
	belongs, document, mostClaims := "o:"+o.Org, "", p.Limits.ClaimsBytes
	switch kind {
	case application:
		document = o.Org + ":" + o.App
	case shared:
		belongs, mostClaims = "", p.Limits.InheritedBytes
		if o.Group != "" {
			belongs = groupPrefix + o.Group
		}
	}
	groups := ""
	if p.Groups != nil {
		groups = "=" + strings.Join(*p.Groups, ",")
	}
	var self metadata.SelfRules
	if p.Self != nil {
		self = *p.Self
	}
	var alike []any
	for _, put := range p.Set {
		if p.KeepEqual && put.Alike.Kind() != 0 {
			alike = append(alike, put.Key, string(put.Alike.Kind())+put.Alike.Raw())
		}
	}
	history := p.Limits.History
	args = append(args,
		kind, belongs, handleField(o), o.Handle, o.User, document,
		p.Op, formatTime(p.At), p.ChangedBy, p.Via, p.Scheme,
		p.DryRun, p.Brief, p.Replace, p.Self != nil, groups,
		p.Limits.Applications, p.Limits.Entries, p.Limits.DocumentBytes, mostClaims,
		history.Changes, history.Bytes, history.Age.Milliseconds(),
		p.If.Key, conditionList(p.If.IfMatch), conditionList(p.If.IfNoneMatch),
		p.KeepEqual, p.MustExist,
		len(self.Own), len(self.Reserved), len(p.Delete), len(alike)/2,
	)
	for _, list := range [][]string{self.Own, self.Reserved, p.Delete} {
		for _, key := range list {
			args = append(args, key)
		}
	}
	args = append(args, alike...)
	for _, put := range p.Set {
		args = append(args, put.Key, flagsOf(put), put.Value.Raw(), put.Term)
	}
	return args
}

func flagsOf(put metadata.Put) string {
	flags := "-" + string(put.Value.Kind())
	if put.ProfileClaim {
		flags = "+" + string(put.Value.Kind())
	}
	if put.Unmarked {
		flags += "?"
	}
	return flags
}

func conditionList(c *metadata.Condition) string {
	switch {
	case c == nil:
		return ""
	case c.Any:
		return "*"
	}
	list := " "
	for _, revision := range c.Revisions {
		list += strconv.FormatUint(revision, 10) + " "
	}
	return list
}

// verdict translates the refusals of apply.lua. Every other error means that the outcome is unknown.
func verdict(err error) error {
	word, rest, _ := durable.Verdict(err)
	switch word {
	case "NOTFOUND":
		if rest == "user" {
			return metadata.ErrUserNotFound
		}
		return noSuch(rest)
	case "SCHEME":
		return metadata.ErrSchemeChanged
	case "PRECONDITION":
		if rest == "none" {
			rest = "none: there is no such entry"
		}
		return &metadata.Error{Code: metadata.PreconditionFailed, Detail: "the current revision is " + rest}
	case "CLAIM":
		return &metadata.Error{Code: metadata.Forbidden, Field: rest, Detail: "only an operator changes a profile claim"}
	case "RESERVED":
		return &metadata.Error{Code: metadata.Forbidden, Field: rest, Detail: "only an operator changes entries of this key"}
	case "ABSENT":
		return noSuchEntry(rest)
	case "CONFLICT":
		key, other, _ := strings.Cut(rest, " ")
		return &metadata.Error{Code: metadata.Conflict, Field: key, Detail: "the profile claim " + other + " differs only in case"}
	case "BYTES":
		return &metadata.Error{Code: metadata.Conflict, Field: rest, Detail: "the entry is a profile claim, which a value of bytes cannot be"}
	case "LIMIT":
		var what string
		var would, limit int
		if _, err := fmt.Sscan(rest, &what, &would, &limit); err == nil {
			return metadata.Exceeded("", limits[what], would, limit)
		}
	}
	return metadata.Unknown("redisstore: change document", err)
}

// limits are what apply.lua's LIMIT speaks of, in words.
var limits = map[string]string{
	"entries":      "entries of this document",
	"bytes":        "bytes of keys and values in this document",
	"claims":       "bytes of profile claims in this document",
	"applications": "application documents about this user",
}

// pairs reads the alternating fields and values that a script replies with.
func pairs(reply any) (map[string]string, error) {
	list, ok := reply.([]any)
	ok = ok && len(list)%2 == 0
	fields := make(map[string]string, len(list)/2)
	for i := 0; ok && i < len(list); i += 2 {
		field, isText := list[i].(string)
		value, isTextToo := list[i+1].(string)
		fields[field], ok = value, isText && isTextToo
	}
	if !ok {
		return nil, fmt.Errorf("a reply of type %T is no hash", reply)
	}
	return fields, nil
}
