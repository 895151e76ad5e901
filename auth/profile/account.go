package profile

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

// What others may see of a person, by his privacy (seed 001): public members always, shared ones where he is for all; sharable are those
// that he can choose to show.
var (
	publicFields = []string{"account_privacy", "profile_image", "username"}
	sharedFields = []string{
		"bio", "course_certificates", "country", "date_joined", "language_proficiencies", "level_of_education", "social_links", "time_zone",
	}
	sharableFields = append([]string{"name"}, sharedFields...)
)

// adulthood is the age in years below which only parents make things about a person public.
const adulthood = 13

// maxNames is how many people can be asked about at once.
const maxNames = 100

var (
	errNobody     = &auth.Error{Code: auth.NotFound, Detail: "no such user"}
	errNotAllowed = &auth.Error{Code: auth.AccessDenied, Detail: "this is only for those who manage the organisation"}
	errNotHis     = &auth.Error{Code: auth.AccessDenied, Detail: "everybody sees and changes only what is his own here"}
)

// Account reads one: all of it for the person himself and for who may read in the organisation, unless only what is shared is wanted; what
// his privacy lets them see for other people of the organisation. NotFound where there is no such user.
func (s *Service) Account(ctx context.Context, caller *auth.Caller, name string, shared bool) (Account, error) {
	user, whole, err := s.find(ctx, caller, name)
	if err != nil {
		return Account{}, err
	}
	return s.account(ctx, user, whole && !shared)
}

// Accounts reads those of these usernames that exist, each as Account. InvalidRequest where they are too many.
func (s *Service) Accounts(ctx context.Context, caller *auth.Caller, usernames []string, shared bool) ([]Account, error) {
	if len(usernames) > maxNames {
		return nil, &auth.Error{Code: auth.InvalidRequest, Field: "username", Detail: fmt.Sprintf("at most %d at once", maxNames)}
	}
	accounts := []Account{}
	for _, name := range usernames {
		account, err := s.Account(ctx, caller, name, shared)
		known := slices.ContainsFunc(accounts, func(a Account) bool { return a.User.ID == account.User.ID })
		switch {
		case auth.CodeOf(err) == auth.NotFound || err == nil && known:
		case err != nil:
			return nil, err
		default:
			accounts = append(accounts, account)
		}
	}
	return accounts, nil
}

// ByEmail and ByNumber find one for who may read in the organisation: AccessDenied for others, NotFound for nobody.
func (s *Service) ByEmail(ctx context.Context, caller *auth.Caller, email string, shared bool) (Account, error) {
	if !caller.MayRead(caller.HomeOrg()) {
		return Account{}, errNotAllowed
	}
	if !strings.Contains(email, "@") {
		return Account{}, errNobody
	}
	user, err := s.Users.Find(ctx, caller, caller.HomeOrg(), email)
	if err != nil {
		return Account{}, err
	}
	return s.account(ctx, user, !shared)
}

func (s *Service) ByNumber(ctx context.Context, caller *auth.Caller, number uint64, shared bool) (Account, error) {
	if !caller.MayRead(caller.HomeOrg()) {
		return Account{}, errNotAllowed
	}
	user, err := s.Users.Numbered(ctx, caller, caller.HomeOrg(), number)
	if err != nil {
		return Account{}, err
	}
	return s.account(ctx, user, !shared)
}

// find finds a person of the caller's home organisation, and whether the caller may see all of him.
func (s *Service) find(ctx context.Context, caller *auth.Caller, name string) (user auth.User, whole bool, err error) {
	org := caller.HomeOrg()
	user, err = s.Users.Find(ctx, caller, org, name)
	if _, isUser := caller.Self(org); isUser && auth.CodeOf(err) == auth.NotFound {
		user, err = s.Users.Peer(ctx, caller, name)
		return user, false, err
	}
	return user, err == nil, err
}

// self finds the person who calls, if it is him that is named: AccessDenied for everybody else, whoever is named.
func (s *Service) self(ctx context.Context, caller *auth.Caller, name string) (auth.User, error) {
	id, _ := caller.Self(caller.HomeOrg())
	user, err := s.Users.Find(ctx, caller, caller.HomeOrg(), name)
	if auth.CodeOf(err) == auth.NotFound || err == nil && user.ID != id {
		err = errNotHis
	}
	return user, err
}

// ofHis finds the person who calls or, for who may read, another one: AccessDenied for other people of the organisation.
func (s *Service) ofHis(ctx context.Context, caller *auth.Caller, name string) (auth.User, error) {
	user, whole, err := s.find(ctx, caller, name)
	if err == nil && !whole {
		err = errNotHis
	}
	return user, err
}

func (s *Service) account(ctx context.Context, user auth.User, whole bool) (a Account, err error) {
	a = Account{User: user, ParentalConsent: needsConsent(user.Profile.Birthdate, s.Now()), Privacy: user.Biography.Privacy}
	switch {
	case a.ParentalConsent:
		a.Privacy = auth.PrivacyPrivate
	case a.Privacy == "":
		a.Privacy = auth.PrivacyAll
	}
	if !whole {
		a.Fields = visible(a.Privacy, user.Biography.Shown)
		return a, nil
	}
	a.Number, err = s.Users.Number(ctx, user.ID)
	return a, err
}

// visible are the members that others see under a privacy. What is no known one is as private.
func visible(privacy string, shown []string) []string {
	fields := slices.Clone(publicFields)
	switch privacy {
	case auth.PrivacyAll:
		fields = append(fields, sharedFields...)
	case auth.PrivacyCustom:
		for _, field := range sharableFields {
			if slices.Contains(shown, field) {
				fields = append(fields, field)
			}
		}
	}
	return fields
}

// needsConsent reports whether somebody of this birthdate (OpenID Connect Core §5.1) is too young, as he is where it is not known: one of
// whom only the year is known is as old as who was born at its end.
func needsConsent(birthdate string, now time.Time) bool {
	year := yearOf(birthdate)
	if year == 0 {
		return true
	}
	if born, err := time.Parse(time.DateOnly, birthdate); err == nil {
		return now.UTC().Before(born.AddDate(adulthood, 0, 0))
	}
	return now.UTC().Year()-year-1 < adulthood
}

// yearOf is the year of a birthdate, 0 for none: 0000 stands for a year that is not told.
func yearOf(birthdate string) int {
	text, _, _ := strings.Cut(birthdate, "-")
	year, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return year
}

// YearOfBirth is the year a person was born in, 0 for not said.
func YearOfBirth(u *auth.User) int { return yearOf(u.Profile.Birthdate) }

// edX's codes of what the claim gender is in OpenID Connect Core §5.1.
const (
	female, male, other = "f", "m", "o"
)

// Gender is edX's code of a person's gender, "" for not said.
func Gender(u *auth.User) string {
	switch u.Profile.Gender {
	case "":
		return ""
	case "female":
		return female
	case "male":
		return male
	}
	return other
}

// Country is the ISO 3166-1 code of the country a person lives in, "" for not said, or said in other words.
func Country(u *auth.User) string {
	if !isCountry(u.Profile.Address.Country) {
		return ""
	}
	return u.Profile.Address.Country
}
