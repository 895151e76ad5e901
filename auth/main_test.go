package auth_test

import (
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }
