package bench

import (
	"context"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/matveynator/netchan"
)

// What the documentation says of Protocol Buffers.
func init() {
	netchan.RegisterFunc(func(dst []byte, m proto.Message) ([]byte, error) {
		return proto.MarshalOptions{}.MarshalAppend(dst, m)
	}, proto.Unmarshal)
	netchan.Register[structpb.Struct]()
}

type order struct {
	ID      int
	Details *structpb.Struct
	Any     any
	Message proto.Message
}

// Messages travel alone, in fields, and as interfaces.
func TestProtobuf(t *testing.T) {
	details, err := structpb.NewStruct(map[string]any{"color": "red", "sizes": []any{1, 2.5}, "gift": true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	node, err := netchan.Join(ctx, netchan.Config{Key: netchan.GenerateKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	orders, err := netchan.NewSender[order](node, "orders")
	if err != nil {
		t.Fatal(err)
	}
	taken, err := netchan.NewReceiver[order](node, "orders")
	if err != nil {
		t.Fatal(err)
	}
	messages, err := netchan.NewSender[*structpb.Struct](node, "messages")
	if err != nil {
		t.Fatal(err)
	}
	alone, err := netchan.NewReceiver[*structpb.Struct](node, "messages")
	if err != nil {
		t.Fatal(err)
	}
	orders.C <- order{7, details, details, details}
	got, err := netchan.Receive(ctx, taken.C)
	if err != nil || got.ID != 7 {
		t.Fatal(got, err)
	}
	for what, m := range map[string]any{"field": got.Details, "any": got.Any, "interface": got.Message} {
		if m, ok := m.(*structpb.Struct); !ok || m == details || !proto.Equal(m, details) {
			t.Errorf("in the %s came %v", what, m)
		}
	}
	messages.C <- details
	if m, err := netchan.Receive(ctx, alone.C); err != nil || !proto.Equal(m, details) {
		t.Errorf("alone came %v, %v", m, err)
	}
}
