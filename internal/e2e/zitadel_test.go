package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
)

// npm @connectrpc as pages (connect-web) and services (connect-node) use it, in every protocol.
func TestConnectLibraries(t *testing.T) {
	t.Parallel()
	node, modules := needNode(t, "@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web", "@connectrpc/connect-node")
	s := dev(t)
	text, err := os.ReadFile("testdata/zitadel.mjs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, descriptors := filepath.Join(dir, "zitadel.mjs"), filepath.Join(dir, "zitadel.binpb")
	if err := os.WriteFile(program, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(descriptors, descriptorSet(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{
		"web-connect", "web-connect-binary", "web-grpc-web", "web-grpc-web-json", "node-connect", "node-connect-2", "node-grpc", "node-grpc-web",
	} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), node, program, transport, s.issuer, devOperator, descriptors).CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), "done\n") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// descriptorSet is the services with all they need, as protoc --include_imports would write it.
func descriptorSet(t *testing.T) []byte {
	t.Helper()
	var set descriptorpb.FileDescriptorSet
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		if seen[file.Path()] {
			return
		}
		seen[file.Path()] = true
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	add(managementv1.File_zitadel_management_v1_management_proto)
	add(authv1.File_zitadel_auth_v1_auth_proto)
	add(userv2.File_zitadel_user_v2_user_service_proto)
	add(zitadelv1.File_zitadel_v1_message_proto)
	text, err := proto.Marshal(&set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
