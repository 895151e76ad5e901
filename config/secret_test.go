package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/config"
)

func TestSecretIsNeverWritten(t *testing.T) {
	const text = "hunter2hunter2hunter2"
	secret := config.NewSecret(text)
	type hidden struct{ secret config.Secret }
	values := []any{secret, &secret, []config.Secret{secret}, map[string]config.Secret{"a": secret},
		config.Redis{Password: secret}, &config.Serve{Redis: config.Redis{Password: secret}}, hidden{secret}}

	var out bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&out, nil))
	plain := slog.New(slog.NewTextHandler(&out, nil))
	for _, value := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		fmt.Fprintln(&out, value, errors.New(fmt.Sprint(value)))
		logger.Info("value", "value", value)
		plain.Info("value", "value", value)
		encoded, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(encoded)
	}
	for _, spelling := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text)} {
		if strings.Contains(out.String(), spelling) {
			t.Errorf("%s was written:\n%s", spelling, out.String())
		}
	}
	if got := secret.Reveal(); got != text {
		t.Errorf("revealed %q", got)
	}
}

func TestSecretSaysWhetherThereIsOne(t *testing.T) {
	var log bytes.Buffer
	for secret, want := range map[config.Secret]string{{}: "", config.NewSecret("x"): "[redacted]"} {
		if got := fmt.Sprintf("%v%s%#v%x", secret, secret, secret, secret); got != strings.Repeat(want, 4) {
			t.Errorf("printed as %q, want %q four times", got, want)
		}
		if got, err := json.Marshal(secret); err != nil || string(got) != `"`+want+`"` {
			t.Errorf("JSON is %s, want %q: %v", got, want, err)
		}
		if got := slog.AnyValue(secret).Resolve(); got.Kind() != slog.KindString || got.String() != want {
			t.Errorf("any log handler gets %v, want %q", got, want)
		}
		log.Reset()
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
		if got := log.String(); !strings.Contains(got, `"secret":"`+want+`"`) {
			t.Errorf("logged as %s", got)
		}
		if secret.Given() != (want != "") {
			t.Errorf("given: %t", secret.Given())
		}
	}
	if config.NewSecret("").Given() {
		t.Error("no text is no secret")
	}
}

func TestFaultsShowNoSecret(t *testing.T) {
	for _, flag := range []string{"redis-password", "redis-sentinel-password", "key-encryption-key", "previous-key-encryption-keys"} {
		_, err := parse(serve(), "serve", "--"+flag+"=hunter2 \x00")
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", flag, err)
		}
	}
	for _, flag := range []string{"dev-operator-token", "dev-password"} {
		_, err := parse(nil, "dev", "--"+flag+"=h2 \x00")
		if err == nil || strings.Contains(err.Error(), "h2") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
