package operate_test

import (
	"testing"

	"github.com/claimsmith/claimsmith/handlers/console/operate"
	"github.com/claimsmith/claimsmith/handlers/console/page/pagetest"
)

// Both languages say everything, and templates use only texts that there are.
func TestTexts(t *testing.T) {
	named := []string{
		"role.", "place.", "kind.", "type.", "claim.", "audience.", "source.", "status.", "outcome.", "preset.", "fault.", "done.", "nav.", "user.own.",
	}
	pagetest.CheckTexts(t, operate.MessageFiles, operate.Pages, append(named, operate.TextsInCode...)...)
}
