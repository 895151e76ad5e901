package zitadel

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/claimsmith/claimsmith/handlers/request"
)

// binary is the encoding of Protocol Buffers for RPCs. It refuses a message of many tiny elements, which would take up much more room than
// its bytes, before there is any of it.
type binary struct{}

// Name implements connect.Codec, as the methods below.
func (binary) Name() string { return "proto" }

func (binary) Marshal(m any) ([]byte, error) { return proto.Marshal(m.(proto.Message)) }

// MarshalAppend has answers written into buffers that are used again.
func (binary) MarshalAppend(to []byte, m any) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(to, m.(proto.Message))
}

func (binary) Unmarshal(b []byte, into any) error {
	m := into.(proto.Message)
	if err := checkElements(b, m.ProtoReflect().Descriptor().Fields()); err != nil {
		return err
	}
	return proto.Unmarshal(b, m)
}

// checkElements bounds the lists of a message as those in JSON are. What cannot be read is left to the decoder.
func checkElements(b []byte, fields protoreflect.FieldDescriptors) error {
	var elements int
	for len(b) > 0 {
		number, _, n := protowire.ConsumeField(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		if field := fields.ByNumber(number); field == nil || !field.IsList() {
			continue
		}
		if elements++; elements > request.MaxElements {
			return malformed("", fmt.Sprintf("a message may have at most %d elements", request.MaxElements))
		}
	}
	return nil
}

// text is the JSON of Protocol Buffers for RPCs, under one of its names. What is read is as strict as the body of a REST request.
type text struct{ name string }

// Name implements connect.Codec, as the methods below.
func (t text) Name() string { return t.name }

func (text) Marshal(m any) ([]byte, error) { return encode(m.(proto.Message)) }

func (text) Unmarshal(b []byte, into any) error {
	r := &http.Request{
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(b)), ContentLength: int64(len(b)),
	}
	return decode(r, long, into.(proto.Message))
}
