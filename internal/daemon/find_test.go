package daemon

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if _, err := Find(t.Context(), dir); !errors.Is(err, ErrNoGateway) {
		t.Errorf("in an empty directory: %v", err)
	}
	announce := func(address, token string) {
		data, err := json.Marshal(Instance{Address: address, Token: token, Version: "v1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, instanceFile), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const token = "0123456789abcdef"
	var self string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(proof(token, self, r.Header.Get(challengeHeader))))
	}))
	defer server.Close()
	self = server.URL

	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	announce("http://"+silent.Addr().String(), token)
	if _, err := Find(t.Context(), dir); !errors.Is(err, ErrNoGateway) || !errors.Is(err, ErrStranger) {
		t.Errorf("a program that says nothing, while no gateway has the directory: %v", err)
	}

	announce(server.URL, token)
	if i, err := Find(t.Context(), dir); err != nil || i.Version != "v1" {
		t.Errorf("Find = %v, %v", i, err)
	}
	announce(server.URL, "another token")
	if _, err := Find(t.Context(), dir); !errors.Is(err, ErrNoGateway) || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a stranger on the port: %v", err)
	}
	// A proof for another address, as somebody would have it who passes the challenge on.
	self = "http://127.0.0.1:1"
	announce(server.URL, token)
	if _, err := Find(t.Context(), dir); !errors.Is(err, ErrNoGateway) {
		t.Errorf("a proof for another address: %v", err)
	}
	server.Close()
	if _, err := Find(t.Context(), dir); !errors.Is(err, ErrNoGateway) {
		t.Errorf("a dead gateway: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, instanceFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(t.Context(), dir); !errors.Is(err, ErrNoGateway) || !strings.Contains(err.Error(), instanceFile) {
		t.Errorf("a broken file: %v", err)
	}
}
