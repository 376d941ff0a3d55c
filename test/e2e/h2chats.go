// Go's own net/http, saying chats over HTTP/2: its limits (250 streams a connection) and its way of
// GOAWAY, twice and a second apart, are as they come.
//
// usage: h2chats PORT FOLDER_WITH_CERTIFICATE [close=N]
// POST any path?n=N&ms=M&ttft=T: N pieces of content M ms apart, the first after T, then a finish;
// 422 when the body's SHA-256 is not what the header x-body-sha256 says. &early=STATUS: answered so
// without reading the body.
// close=N: every Nth answer says Connection: close, which ends its connection gracefully.
// GET /stats counts connections, chats, and the most at once.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

type counts struct {
	Sessions int `json:"sessions"`
	Streams  int `json:"streams"`
	Open     int `json:"open"`
	Peak     int `json:"peak"`
	Http1    int `json:"http1"`
}

var (
	lock  sync.Mutex
	seen  counts
	every int
)

func number(query url.Values, name string, otherwise int) int {
	value, err := strconv.Atoi(query.Get(name))
	if err != nil {
		return otherwise
	}
	return value
}

func chunk(delta, finish string) string {
	return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":` +
		`[{"index":0,"delta":` + delta + `,"finish_reason":` + finish + "}]}\n\n"
}

func enter(r *http.Request) int {
	lock.Lock()
	defer lock.Unlock()
	seen.Streams++
	seen.Open++
	if seen.Open > seen.Peak {
		seen.Peak = seen.Open
	}
	if r.ProtoMajor != 2 {
		seen.Http1++
	}
	return seen.Streams
}

func leave() {
	lock.Lock()
	seen.Open--
	lock.Unlock()
}

func chat(w http.ResponseWriter, r *http.Request) {
	turn := enter(r)
	defer leave()
	query := r.URL.Query()
	if early := number(query, "early", 0); early > 0 {
		w.WriteHeader(early)
		return
	}
	hash := sha256.New()
	_, _ = io.Copy(hash, r.Body)
	promised := r.Header.Get("X-Body-Sha256")
	if promised != "" && hex.EncodeToString(hash.Sum(nil)) != promised {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	pause := func(name string) {
		select {
		case <-time.After(time.Duration(number(query, name, 1)) * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	if every > 0 && turn%every == 0 {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	out := w.(http.Flusher)
	out.Flush()
	pause("ttft")
	for i := 0; i < number(query, "n", 10) && r.Context().Err() == nil; i++ {
		if i > 0 {
			pause("ms")
		}
		fmt.Fprint(w, chunk(fmt.Sprintf(`{"content":"word %d "}`, i), "null"))
		out.Flush()
	}
	fmt.Fprint(w, chunk("{}", `"stop"`)+"data: [DONE]\n\n")
}

func stats(w http.ResponseWriter, _ *http.Request) {
	lock.Lock()
	defer lock.Unlock()
	_ = json.NewEncoder(w).Encode(seen)
}

func main() {
	port, folder := os.Args[1], os.Args[2]
	for _, option := range os.Args[3:] {
		if value := strings.TrimPrefix(option, "close="); value != option {
			every, _ = strconv.Atoi(value)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/stats", stats)
	mux.HandleFunc("/", chat)
	server := http.Server{Addr: "127.0.0.1:" + port, Handler: mux,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				lock.Lock()
				seen.Sessions++
				lock.Unlock()
			}
		}}
	err := server.ListenAndServeTLS(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
