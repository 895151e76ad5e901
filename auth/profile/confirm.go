package profile

import (
	"context"
	"net/url"

	"github.com/claimsmith/claimsmith/auth"
)

// mailConfirmation asks whoever reads the mail of an address to confirm that it is a person's. He may be a stranger, so it has nothing in
// it that the person or the request made up.
func (s *Service) mailConfirmation(address, secret string) {
	s.Mail.Send(address, "Confirm your e-mail address", "Hello,\n\n"+
		"somebody with an account at "+s.Issuer+" says that this is his e-mail address. If it was you, open this link within 24 hours:\n\n"+
		s.Issuer+"/account/email?secret="+url.QueryEscape(secret)+"\n\n"+
		"If it was not you, do nothing, and nothing changes.\n")
}

// ConfirmEmail is Users.ConfirmEmail, and tells the address before of it, if that was known to be the person's.
func (s *Service) ConfirmEmail(ctx context.Context, secret string) (auth.User, error) {
	_, user, err := s.Users.ConfirmEmail(ctx, secret)
	if err != nil {
		return auth.User{}, err
	}
	if s.Mail == nil || len(user.EmailsBefore) == 0 {
		return user, nil
	}
	for _, address := range user.EmailsBefore {
		s.Mail.Send(address, "Your e-mail address was changed", "Hello,\n\n"+
			"your account at "+s.Issuer+" has another e-mail address now, and no longer this one.\n\n"+
			"If this was not you, somebody else is using your account: ask whoever runs "+s.Issuer+" for help.\n")
	}
	return user, s.Users.ToldBefore(ctx, user.ID, user.EmailsBefore)
}
