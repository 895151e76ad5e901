package memory

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/metadata"
)

// Keys of the entries of a person's user-wide document that are the flags. A flag is on where the entry is true, and off where there is
// none: nobody is remembered who has not said so.
const (
	KeyLearn = "auto_capture_enabled"
	KeyUse   = "use_memory_in_responses"
)

// Flags say whether assistants may learn from what a person says, and use what they know in answers. They are as old as the user until one
// is first set.
type Flags struct {
	Learn, Use bool
	UpdatedAt  time.Time
}

// Flags reads them. SetFlags changes those that are not nil; what a definition of the key has against it is a *metadata.Error.
func (s *Service) Flags(ctx context.Context, caller *auth.Caller, org, user string) (Flags, error) {
	owner, err := s.Subject(ctx, caller, org, user, false)
	if err != nil {
		return Flags{}, err
	}
	return s.flagsOf(ctx, caller, org, &owner)
}

// SetFlags is described at Flags.
func (s *Service) SetFlags(ctx context.Context, caller *auth.Caller, org, user string, learn, use *bool) (Flags, error) {
	owner, err := s.Subject(ctx, caller, org, user, true)
	if err != nil {
		s.record(ctx, caller, "metadata.write", org, "user", "", err)
		return Flags{}, err
	}
	change := metadata.Change{Brief: true}
	for key, on := range map[string]*bool{KeyLearn: learn, KeyUse: use} {
		if on == nil {
			continue
		}
		value, err := metadata.JSON(strconv.AppendBool(nil, *on))
		if err != nil {
			return Flags{}, err
		}
		change.Set = append(change.Set, metadata.Put{Key: key, Value: value, Kept: true})
	}
	if len(change.Set) == 0 {
		return Flags{}, Faults{"non_field_errors": {"Provide '" + KeyLearn + "' or '" + KeyUse + "'."}}
	}
	if _, err := s.Metadata.Apply(ctx, caller, metadata.Target{Org: org, User: owner.ID}, change, metadata.Precondition{}); err != nil {
		return Flags{}, err
	}
	return s.flagsOf(ctx, caller, org, &owner)
}

func (s *Service) flagsOf(ctx context.Context, caller *auth.Caller, org string, owner *auth.User) (Flags, error) {
	flags := Flags{UpdatedAt: owner.CreatedAt}
	for key, on := range map[string]*bool{KeyLearn: &flags.Learn, KeyUse: &flags.Use} {
		entry, err := s.Metadata.GetEntry(ctx, caller, metadata.Target{Org: org, User: owner.ID}, key)
		if refused, ok := errors.AsType[*metadata.Error](err); ok && refused.Code == metadata.NotFound && refused.Field == key {
			continue
		}
		if err != nil {
			return Flags{}, err
		}
		*on = entry.Value.JSON() == "true"
		if entry.ChangedAt.After(flags.UpdatedAt) {
			flags.UpdatedAt = entry.ChangedAt
		}
	}
	return flags, nil
}
