package claims

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// commonPayload has the claims that access and ID tokens share, as they stand in the JSON.
type commonPayload struct {
	Issuer      string      `json:"iss"`
	Subject     string      `json:"sub"`
	Audience    audience    `json:"aud"`
	ExpiresAt   numericDate `json:"exp"`
	IssuedAt    numericDate `json:"iat"`
	NotBefore   numericDate `json:"nbf"`
	AuthTime    numericDate `json:"auth_time"`
	SessionID   string      `json:"sid"`
	Org         string      `json:"org"`
	ACR         string      `json:"acr"`
	AMR         []string    `json:"amr"`
	Revision    uint64      `json:"claims_rev"`
	AppRevision uint64      `json:"claims_app_rev"`
	OrgRevision uint64      `json:"claims_org_rev"`

	UserMetadata UserMetadata `json:"urn:zitadel:iam:user:metadata"`
	// Others are all other members, the metadata claims among them.
	Others map[string]jsontext.Value `json:",embed"`
}

type accessPayload struct {
	commonPayload
	ID           string        `json:"jti"`
	ClientID     string        `json:"client_id"`
	Scope        string        `json:"scope"`
	Confirmation *confirmation `json:"cnf"`
	Actor        *Actor        `json:"act"`
}

// confirmation is how a token has to be confirmed (RFC 7800 §3.1). There is one way here: by a proof of the key (RFC 9449 §6.1).
type confirmation struct {
	KeyThumbprint string `json:"jkt"`
}

type idPayload struct {
	commonPayload
	Profile
	AuthorizedParty string      `json:"azp"`
	Nonce           string      `json:"nonce"`
	AccessTokenHash string      `json:"at_hash"`
	UpdatedAt       numericDate `json:"updated_at"` // in the place of Profile's, whose form is for records
}

// parsePayload reads a payload whose signature has been verified. Duplicate and escaped-alike names, invalid UTF-8,
// anything after the object, and numbers that are not integers where integers are due are refused; names match case and all.
func parsePayload(data []byte, p any) error {
	if jsontext.Value(data).Kind() != '{' {
		return fmt.Errorf("%w: payload is not an object", ErrMalformed)
	}
	if err := json.Unmarshal(data, p); err != nil {
		return fmt.Errorf("%w: payload", ErrMalformed) // err would quote the payload
	}
	return nil
}

func (p *accessPayload) access() *Access {
	var thumbprint string
	if p.Confirmation != nil {
		thumbprint = p.Confirmation.KeyThumbprint
	}
	return &Access{
		AccessToken: AccessToken{
			Issuer: p.Issuer, Subject: p.Subject, Audience: p.Audience, ID: p.ID, ClientID: p.ClientID, Scope: p.Scope,
			SessionID: p.SessionID, Org: p.Org, ACR: p.ACR, AMR: p.AMR, IssuedAt: p.IssuedAt.time(),
			ExpiresAt: p.ExpiresAt.time(), AuthTime: p.AuthTime.time(), Revision: p.Revision, AppRevision: p.AppRevision,
			OrgRevision: p.OrgRevision, KeyThumbprint: thumbprint, Actor: p.Actor, UserMetadata: p.UserMetadata,
		},
		Metadata: p.metadata(),
	}
}

func (p *idPayload) identity() *Identity {
	profile := p.Profile
	profile.UpdatedAt = p.UpdatedAt.time()
	return &Identity{
		IDToken: IDToken{
			Issuer: p.Issuer, Subject: p.Subject, Audience: p.Audience, AuthorizedParty: p.AuthorizedParty, Nonce: p.Nonce,
			AccessTokenHash: p.AccessTokenHash, SessionID: p.SessionID, Org: p.Org, ACR: p.ACR, AMR: p.AMR,
			IssuedAt: p.IssuedAt.time(), ExpiresAt: p.ExpiresAt.time(), AuthTime: p.AuthTime.time(), Profile: profile,
			Revision: p.Revision, AppRevision: p.AppRevision, OrgRevision: p.OrgRevision, UserMetadata: p.UserMetadata,
		},
		Metadata: p.metadata(),
	}
}

func (p *commonPayload) metadata() Metadata {
	var m Metadata
	for name, value := range p.Others {
		if key, ok := strings.CutPrefix(name, Prefix); ok && ValidKey(key) {
			m.set(key, value)
		}
	}
	return m
}

// numericDate is seconds since 1970 (RFC 7519 §2), integers only; 0 stands for a claim that is absent.
type numericDate int64

// lastDate is the end of the year 9999. Dates after it say nothing but that something is wrong.
const lastDate numericDate = 253402300799

func (d numericDate) sane() bool { return 0 < d && d <= lastDate }

func (d numericDate) time() time.Time {
	if d == 0 {
		return time.Time{}
	}
	return time.Unix(int64(d), 0).UTC()
}

// audience is a string or an array of them (RFC 7519 §4.1.3).
type audience []string

func (a *audience) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '"' {
		var one string
		if err := json.UnmarshalDecode(dec, &one); err != nil {
			return err
		}
		*a = audience{one}
		return nil
	}
	return json.UnmarshalDecode(dec, (*[]string)(a))
}
