package sentinel

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/handlers/request"
)

const apiKeyHeader = "X-API-KEY"

// credentials reads whose application the request comes from: X-API-KEY is the id of a public client, or the id and the secret of one
// that authenticates, with a dot between.
func (d *Dialect) credentials(c echo.Context) (grant.Credentials, error) {
	const maxKey = 1 << 10
	keys := c.Request().Header.Values(apiKeyHeader)
	switch {
	case len(keys) == 0 || len(keys) == 1 && keys[0] == "":
		return grant.Credentials{}, &auth.Error{Code: auth.InvalidClient, Detail: "the header X-API-KEY is required"}
	case len(keys) > 1:
		return grant.Credentials{}, &request.Error{Code: request.Malformed, Detail: "the X-API-KEY header must be sent once"}
	case len(keys[0]) > maxKey:
		return grant.Credentials{}, &auth.Error{Code: auth.InvalidClient, Detail: "client authentication failed"}
	}
	whole := grant.Credentials{ClientID: keys[0]}
	dot := strings.LastIndexByte(keys[0], '.')
	if dot <= 0 {
		return whole, nil
	}
	// There are dots in ids, but none in the secrets made here. So this may be the id of a public client, whatever its beginning is.
	ctx := c.Request().Context()
	if public, err := d.isClient(ctx, keys[0], (*auth.Client).Public); public || err != nil {
		return whole, err
	}
	confidential, err := d.isClient(ctx, keys[0][:dot], func(client *auth.Client) bool { return !client.Public() })
	if !confidential || err != nil {
		return whole, err
	}
	return grant.Credentials{ClientID: keys[0][:dot], ClientSecret: keys[0][dot+1:], AuthMethod: auth.AuthSecretPost}, nil
}

// isClient reports whether a text is the id of a client like that.
func (d *Dialect) isClient(ctx context.Context, id string, like func(*auth.Client) bool) (bool, error) {
	client, err := d.Registry.Client(ctx, id)
	if auth.CodeOf(err) == auth.InvalidClient {
		return false, nil
	}
	return err == nil && like(client), err
}

// client returns the application of a request that asks for no tokens.
func (d *Dialect) client(c echo.Context) (*auth.Client, error) {
	credentials, err := d.credentials(c)
	if err != nil {
		return nil, err
	}
	return d.Dispatcher.Authenticate(c.Request().Context(), credentials)
}

// tokensBody is what a login results in. Sentinel's name for the access token is token.
type tokensBody struct {
	Token        string    `json:"token"`
	AccessToken  string    `json:"access_token"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	TokenType    string    `json:"token_type"`
	ExpiresIn    int64     `json:"expires_in"`
	User         *userBody `json:"user,omitempty"`
}

// userBody names what Sentinel has in its tokens as these do.
type userBody struct {
	UserID    string `json:"UserID"`
	Username  string `json:"Username"`
	Email     string `json:"Email"`
	Operator  bool   `json:"Operator"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

func viewUser(user *auth.User) *userBody {
	return &userBody{
		UserID: user.ID, Username: user.Username, Email: user.Email, FirstName: user.Profile.GivenName, LastName: user.Profile.FamilyName,
	}
}

type loginBody struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
	OTP      string `json:"otp"`
}

// login is the password grant.
func (d *Dialect) login(c echo.Context) error {
	client, err := d.credentials(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[loginBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	name := body.Username
	if name == "" {
		name = body.Email
	} else if body.Email != "" {
		return &auth.Error{Code: auth.InvalidRequest, Field: "username", Detail: "send username or email, not both"}
	}
	tokens, err := d.tokens(c, grant.Request{
		Credentials: client, GrantType: auth.GrantPassword, Username: name, Password: body.Password, OTP: body.OTP, Here: true,
	})
	if err != nil {
		return err
	}
	user, err := d.bearer(c.Request().Context(), tokens.Token)
	if err != nil {
		return err
	}
	tokens.User = user
	return respond(c, http.StatusOK, tokens)
}

type refreshBody struct {
	RefreshToken string `json:"refresh_token"`
}

func (d *Dialect) refresh(c echo.Context) error {
	client, err := d.credentials(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[refreshBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	tokens, err := d.tokens(c, grant.Request{Credentials: client, GrantType: auth.GrantRefreshToken, RefreshToken: body.RefreshToken})
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, tokens)
}

func (d *Dialect) tokens(c echo.Context, r grant.Request) (tokensBody, error) {
	r.Address = c.RealIP()
	t, err := d.Dispatcher.Token(c.Request().Context(), r)
	return tokensBody{
		Token: t.AccessToken, AccessToken: t.AccessToken, RefreshToken: t.RefreshToken, TokenType: t.TokenType,
		ExpiresIn: int64(t.ExpiresIn.Seconds()),
	}, err
}

// bearer tells whose a token is. An operator's credential belongs to no user.
func (d *Dialect) bearer(ctx context.Context, token string) (*userBody, error) {
	caller, err := d.Callers.Resolve(ctx, token)
	if err != nil {
		return nil, err
	}
	if _, isUser := caller.Self(caller.HomeOrg()); !isUser {
		return &userBody{Username: caller.Ref(), Operator: caller.MayWrite(caller.HomeOrg())}, nil
	}
	user, err := d.Users.Recent(ctx, caller, "", "me")
	if auth.CodeOf(err) == auth.NotFound { // he is being deleted
		return nil, &auth.Error{Code: auth.Unauthenticated, Detail: "the access token is not valid", Err: err}
	}
	if err != nil {
		return nil, err
	}
	return viewUser(user), nil
}

type verifiedBody struct {
	Valid bool      `json:"valid"`
	User  *userBody `json:"user"`
}

func (d *Dialect) verify(c echo.Context) error {
	token, err := request.Bearer(c.Request())
	if err != nil {
		return err
	}
	user, err := d.bearer(c.Request().Context(), token)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, verifiedBody{true, user})
}

// logout ends the login a token came from.
func (d *Dialect) logout(c echo.Context) error {
	token, err := request.Bearer(c.Request())
	if err != nil {
		return err
	}
	if err := d.Inspector.Logout(c.Request().Context(), token); err != nil {
		return err
	}
	return respondMessage(c, "logged out")
}

type registrationBody struct {
	UserInfo struct {
		Username  string `json:"username"`
		Email     string `json:"email"`
		FirstName string `json:"first_name"`
		LastName  string `json:"last_name"`
	} `json:"user_info"`
	Password      string `json:"password"`
	PasswordHash  string `json:"password_hash"`
	HashAlgorithm string `json:"hash_algorithm"`
}

type registeredUser struct {
	User *userBody `json:"user"`
}

// register makes a user: himself, with a password, or, with the hash of one, an operator.
func (d *Dialect) register(c echo.Context) error {
	client, err := d.client(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[registrationBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	var user auth.User
	switch {
	case body.Password != "" && body.PasswordHash != "":
		return &auth.Error{Code: auth.InvalidRequest, Field: "password_hash", Detail: "send password or password_hash, not both"}
	case body.PasswordHash == "" && body.HashAlgorithm != "":
		return required("password_hash")
	case body.PasswordHash != "":
		user, err = d.importUser(c, client, body)
	default:
		user, err = d.Users.Register(c.Request().Context(), client, auth.Registration{
			Username: body.UserInfo.Username, Email: body.UserInfo.Email, GivenName: body.UserInfo.FirstName, FamilyName: body.UserInfo.LastName,
			Password: body.Password, Address: c.RealIP(),
		})
	}
	if err != nil {
		return err
	}
	return respond(c, http.StatusCreated, registeredUser{viewUser(&user)})
}

// importUser takes a user over with the hash of his password. Whoever may do that could log in as him.
func (d *Dialect) importUser(c echo.Context, client *auth.Client, body registrationBody) (auth.User, error) {
	errNobody := &auth.Error{
		Code: auth.AccessDenied, Field: "password_hash", Detail: "only with an operator's token in the Authorization header",
	}
	if len(c.Request().Header.Values("Authorization")) == 0 {
		return auth.User{}, errNobody
	}
	caller, err := d.caller(c)
	if err != nil {
		return auth.User{}, err
	}
	if !caller.MayWrite(client.Org) {
		return auth.User{}, errNobody
	}
	n := auth.NewUser{
		Username: body.UserInfo.Username, Email: body.UserInfo.Email, PasswordHash: body.PasswordHash, HashAlgorithm: body.HashAlgorithm,
	}
	n.Profile.GivenName, n.Profile.FamilyName = body.UserInfo.FirstName, body.UserInfo.LastName
	return d.Users.Create(c.Request().Context(), caller, client.Org, n, "")
}
