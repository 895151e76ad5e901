package claims_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/claims"
)

// exampleVerifier stands for the one a service makes with Issuer and Audience alone, and exampleToken for what its clients
// send.
func exampleVerifier() *claims.Verifier {
	v, err := claims.NewVerifier(claims.Config{Issuer: issuer, Audience: audience, Keys: keysOf(es256()), Now: atIssue})
	if err != nil {
		panic(err)
	}
	return v
}

func exampleToken() string {
	token := accessToken()
	payload := token.AppendJSON(nil, profileOf(pair{"contract", "9007199254740993"}, pair{"theme", `"dark"`}))
	return es256().access(string(payload))
}

func get(h http.Handler, token string) {
	r := httptest.NewRequest(http.MethodGet, "/greeting", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
}

func ExampleNewVerifier() {
	v, err := claims.NewVerifier(claims.Config{
		Issuer:   "https://id.example",  // exactly as in the tokens
		Audience: "https://api.example", // this service; the issuer's URL where clients have no audience registered
	})
	fmt.Println(v != nil, err)
	// Output: true <nil>
}

func ExampleMiddleware() {
	greet := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access, _ := claims.FromContext(r.Context())
		theme, ok := access.Metadata.String("theme")
		if !ok {
			theme = "light"
		}
		fmt.Fprintf(w, "%s likes it %s", access.Subject, theme)
	})
	handler := claims.Middleware(exampleVerifier())(claims.RequireScope("profile")(greet))

	get(handler, exampleToken())
	get(handler, "forged")
	// Output:
	// 200 jane likes it dark
	// 401 Unauthorized
}

// Echo takes the same middleware.
func ExampleMiddleware_echo() {
	e := echo.New()
	authenticated := echo.WrapMiddleware(claims.Middleware(exampleVerifier()))
	e.GET("/greeting", func(c echo.Context) error {
		access, _ := claims.FromContext(c.Request().Context())
		theme, _ := access.Metadata.String("theme")
		return c.String(http.StatusOK, access.Subject+" likes it "+theme)
	}, authenticated)

	get(e, exampleToken())
	get(e, "")
	// Output:
	// 200 jane likes it dark
	// 401 Unauthorized
}

func ExampleMetadata_Unmarshal() {
	access, err := exampleVerifier().VerifyAccessToken(context.Background(), exampleToken())
	if err != nil {
		fmt.Println(err)
		return
	}
	var user struct {
		Contract int64  `json:"contract"`
		Theme    string `json:"theme"`
	}
	if err := access.Metadata.Unmarshal(&user); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(user.Contract, user.Theme)
	// Output: 9007199254740993 dark
}

func ExampleAccessToken_AppendJSON() {
	token := claims.AccessToken{Issuer: "https://id.example", Subject: "jane", Audience: []string{"https://api.example"},
		ID: "t1", ClientID: "web", IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(10 * time.Minute)}
	fmt.Printf("%s\n", token.AppendJSON(nil, maps.All(map[string]string{"theme": `"dark"`})))
	// Output:
	// {"metadata_theme":"dark","iss":"https://id.example","sub":"jane","aud":"https://api.example","exp":1788264600,"iat":1788264000,"jti":"t1","client_id":"web"}
}
