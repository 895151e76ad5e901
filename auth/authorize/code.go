package authorize

import (
	"context"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/ticket"
)

const (
	codeSecretLen = 24
	codeIDLen     = 12
	codeRefParts  = 2
)

// maxCodes is how fast a user's browser can have codes made, before it waits for its user to do something.
var maxCodes = auth.Bucket{Kind: "codes", Burst: 60, Period: time.Second}

func (s *Service) codes() ticket.Codec {
	return ticket.Codec{Prefix: "cs_ac_", Parts: codeRefParts, Payload: codeSecretLen, Keys: s.CodeKeys}
}

// grant answers with a code, now that nothing stands against it. The store checks once more that the user may have it.
func (s *Service) grant(ctx context.Context, at *place) (*Step, error) {
	f := at.flow
	bucket := maxCodes
	bucket.Subject = at.user.ID
	if err := auth.Attempt(ctx, s.Limiter, bucket); err != nil {
		return nil, err
	}
	secret := ticket.Random(codeSecretLen)
	approval := at.approval(s.Now(), time.Duration(at.client.CodeSeconds())*time.Second)
	approval.Session, approval.RedirectURI, approval.Challenge = at.session.ID, f.RedirectURI, f.Challenge
	approval.Nonce, approval.Requested = f.Nonce, f.Requested
	ref, err := s.Codes.CreateCode(ctx, ticket.Random(codeIDLen), approval, sha256Sum(secret))
	if auth.CodeOf(err) == auth.InvalidGrant { // something has changed since it was read: the session counts for nothing any more
		return s.Next(ctx, f, nil)
	}
	s.record(ctx, actionAuthorize, at.user, at.org.Slug, at.client.ID, err)
	if err != nil {
		return nil, err
	}
	partition, id, _ := strings.Cut(ref, ".")
	code := s.codes().Format(secret, partition, id)
	return &Step{
		Kind: StepAnswer, Client: at.client, Org: at.org, User: at.user, Answer: s.answer(f, Parameter{"code", code}),
	}, nil
}

// approval is what the user at this place lets the client have.
func (at *place) approval(now time.Time, lifetime time.Duration) auth.Approval {
	return auth.Approval{
		Subject: auth.Subject{
			User: at.user.ID, Org: at.org.Slug, AuthTime: at.session.AuthTime, AMR: at.session.AMR, ACR: auth.ClassOf(at.session.AMR),
			Epoch: at.session.Epoch,
		},
		Client: at.client.ID, Scope: at.flow.Scope, KeyThumbprint: at.flow.KeyThumbprint, CreatedAt: now, ExpiresAt: now.Add(lifetime),
	}
}

// Code returns the approval an authorization code stands for, and the reference Issuer.Redeem wants. InvalidGrant: there is none.
func (s *Service) Code(ctx context.Context, code string) (a auth.Approval, ref string, err error) {
	secret, parts, ok := s.codes().Parse(code)
	if !ok {
		return auth.Approval{}, "", &auth.Error{Code: auth.InvalidGrant, Detail: "the code is not valid"}
	}
	ref = parts[0] + "." + parts[1]
	a, err = s.Codes.Code(ctx, ref, sha256Sum(secret))
	return a, ref, err
}

// Actions of the audit log.
const (
	actionAuthorize = "authorize"
	actionPush      = "authorize.push"
	actionPassword  = "login.password"
	actionConsent   = "consent.grant"
	actionWithdraw  = "consent.withdraw"
	actionDevice    = "device.begin"
	actionUserCode  = "device.code"
	actionApprove   = "device.approve"
	actionDeny      = "device.deny"
)

// record notes how an operation about a client ended. user is nil where nobody is known to have done it.
func (s *Service) record(ctx context.Context, action string, user *auth.User, org, client string, err error) {
	actor := ""
	if user != nil {
		actor = "user:" + user.ID
	}
	s.recordBy(ctx, action, actor, org, client, err)
}

func (s *Service) recordBy(ctx context.Context, action, actor, org, client string, err error) {
	s.Audit.Record(ctx, auth.About(auth.Outcome(action, actor, err), org, "client", client))
}
