// Go with net/http, pgx and redigo, on one core: the works W1a, W1b, W2 and W3.
// bench/load/servers.py says how it is built and started.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt"
	"github.com/gomodule/redigo/redis"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

type session struct {
	UserID       string   `json:"user_id"`
	Status       string   `json:"status"`
	Role         string   `json:"role"`
	Permissions  []string `json:"permissions"`
	TokenVersion int64    `json:"token_version"`
	ExpiresAt    int64    `json:"expires_at"`
	Revoked      bool     `json:"revoked"`
}

type kept struct {
	OwnerID string `json:"owner_id"`
	JSON    string `json:"json"`
}

type startup struct {
	ID        string          `json:"id"`
	OwnerID   string          `json:"owner_id"`
	Name      string          `json:"name"`
	Industry  *string         `json:"industry"`
	Stage     *string         `json:"stage"`
	Status    string          `json:"status"`
	Metadata  json.RawMessage `json:"metadata"`
	Version   int64           `json:"version"`
	CreatedAt int64           `json:"created_at"`
	UpdatedAt int64           `json:"updated_at"`
}

var data struct {
	Secret, Issuer, Audience string
	Sessions                 map[string]*session
	Startups                 map[string]*kept
}

var (
	secret    []byte
	limit     float64
	database  *pgxpool.Pool
	shared    *redis.Pool
	askScript *redis.Script
	readSQL   string
	writeSQL  []string
)

// ---- who asks ----

type claims struct {
	jwt.RegisteredClaims
	Sid string `json:"sid"`
	Ver int64  `json:"ver"`
}

var parser = jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}))

func verify(token string) *claims {
	c := new(claims)
	_, err := parser.ParseWithClaims(token, c, func(*jwt.Token) (any, error) { return secret, nil })
	if err != nil || c.ExpiresAt == nil || !c.VerifyIssuer(data.Issuer, true) || !c.VerifyAudience(data.Audience, true) {
		return nil
	}
	return c
}

func claimsOf(r *http.Request) *claims {
	header := r.Header.Get("Authorization")
	if !strings.HasPrefix(header, "Bearer ") {
		return nil
	}
	return verify(header[len("Bearer "):])
}

func (s *session) live(c *claims) bool {
	return s != nil && !s.Revoked && s.Status == "active" && s.UserID == c.Subject &&
		s.TokenVersion == c.Ver && s.ExpiresAt > time.Now().UnixMicro()
}

func (s *session) may(permission string) bool {
	for _, p := range s.Permissions {
		if p == permission {
			return true
		}
	}
	return false
}

// A window of a minute that slides by weight: of the minute before counts what still reaches into the last 60 s.
type window struct{ slot, count, before float64 }

var windows = struct {
	sync.Mutex
	of map[string]*window
}{of: map[string]*window{}}

func admitted(user string) bool {
	now := float64(time.Now().UnixMicro()) / 60e6
	slot := float64(int64(now))
	windows.Lock()
	defer windows.Unlock()
	w := windows.of[user]
	if w == nil {
		w = &window{slot: slot}
		windows.of[user] = w
	}
	if w.slot != slot {
		if w.before = 0; w.slot == slot-1 {
			w.before = w.count
		}
		w.slot, w.count = slot, 0
	}
	w.count++
	return w.before*(1-now+slot)+w.count <= limit
}

// ---- answers ----

func refuse(w http.ResponseWriter, status int) {
	http.Error(w, `{"error":"`+http.StatusText(status)+`"}`, status)
}

func answer(w http.ResponseWriter, status int, text []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	w.Write(text)
}

// The refusals of all gates but the row's; 0 when none refuses.
func gates(s *session, c *claims, permission string) int {
	switch {
	case !s.live(c):
		return 401
	case !s.may(permission):
		return 403
	case !admitted(c.Subject):
		return 429
	}
	return 0
}

func fromMemory(w http.ResponseWriter, c *claims, id string) int {
	if status := gates(data.Sessions[c.Sid], c, "startup:read"); status != 0 {
		return status
	}
	row := data.Startups[id]
	if row == nil || row.OwnerID != c.Subject {
		return 404
	}
	answer(w, 200, []byte(row.JSON))
	return 0
}

func fromRedis(w http.ResponseWriter, c *claims, id string) int {
	conn := shared.Get()
	defer conn.Close()
	got, err := redis.Values(askScript.Do(conn, "window:"+c.Subject, "session:"+c.Sid, "startup:"+id, limit))
	if err != nil {
		return 503
	}
	facts, _ := got[1].([]byte)
	text, _ := got[2].([]byte)
	s := new(session)
	if got[0].(int64) != 1 {
		return 429
	}
	if json.Unmarshal(facts, s) != nil || !s.live(c) {
		return 401
	}
	if !s.may("startup:read") {
		return 403
	}
	var row struct {
		OwnerID string `json:"owner_id"`
	}
	if json.Unmarshal(text, &row) != nil || row.OwnerID != c.Subject {
		return 404
	}
	answer(w, 200, text)
	return 0
}

func fromDatabase(w http.ResponseWriter, c *claims, id string) int {
	var s session
	var permissions string
	var found, owner, name, industry, stage, status, metadata *string
	var version, created, updated *int64
	err := database.QueryRow(context.Background(), readSQL, c.Sid, id).Scan(
		&s.UserID, &s.Status, &s.Role, &permissions, &s.TokenVersion, &s.ExpiresAt, &s.Revoked,
		&found, &owner, &name, &industry, &stage, &status, &metadata, &version, &created, &updated)
	if err != nil || json.Unmarshal([]byte(permissions), &s.Permissions) != nil {
		return 401
	}
	if refusal := gates(&s, c, "startup:read"); refusal != 0 {
		return refusal
	}
	if owner == nil || *owner != c.Subject {
		return 404
	}
	text, _ := json.Marshal(startup{*found, *owner, *name, industry, stage, *status,
		json.RawMessage(*metadata), *version, *created, *updated})
	answer(w, 200, text)
	return 0
}

// ---- the change ----

type input struct {
	Name     string  `json:"name"`
	Industry *string `json:"industry"`
	Stage    *string `json:"stage"`
	Status   string  `json:"status"`
}

func short(text *string, most int) bool { return text == nil || len(*text) <= most }

func (in *input) valid() bool {
	return len(in.Name) >= 1 && len(in.Name) <= 200 && short(in.Industry, 100) && short(in.Stage, 100) &&
		(in.Status == "active" || in.Status == "paused" || in.Status == "closed")
}

// Ordered by time, as UUIDv7 is.
func idNow(now int64) string {
	var b [16]byte
	rand.Read(b[6:])
	for i := 0; i < 6; i++ {
		b[i] = byte(now / 1000 >> (40 - 8*i))
	}
	b[6], b[8] = b[6]&0x0f|0x70, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func create(w http.ResponseWriter, r *http.Request) {
	if r.Method != "POST" {
		refuse(w, 405)
		return
	}
	c := claimsOf(r)
	if c == nil {
		refuse(w, 401)
		return
	}
	if status := gates(data.Sessions[c.Sid], c, "startup:create"); status != 0 {
		refuse(w, status)
		return
	}
	in := input{Status: "active"}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 65536))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&in) != nil || !in.valid() {
		refuse(w, 400)
		return
	}

	now := time.Now().UnixMicro()
	row := startup{idNow(now), c.Subject, in.Name, in.Industry, in.Stage, in.Status, json.RawMessage("{}"), 1, now, now}
	batch := new(pgx.Batch) // one flush, one Sync: one transaction
	batch.Queue(writeSQL[0], row.ID, row.OwnerID, row.Name, row.Industry, row.Stage, row.Status, now)
	batch.Queue(writeSQL[1], idNow(now), now, row.OwnerID, c.Sid, row.ID, idNow(now), r.RemoteAddr,
		`{"fields":["name","industry","stage"]}`)
	if err := database.SendBatch(context.Background(), batch).Close(); err != nil {
		log.Print(err)
		refuse(w, 503)
		return
	}
	text, _ := json.Marshal(row)
	answer(w, 201, text)
}

// ---- start ----

const path = "/api/v1/startups"

func read(from func(http.ResponseWriter, *claims, string) int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status := 401
		id := r.URL.Path[len(path)+1:]
		if c := claimsOf(r); c != nil {
			status = from(w, c, id)
		}
		if status != 0 {
			refuse(w, status)
		}
	}
}

func file(name string) string {
	text, err := os.ReadFile(name)
	must(err)
	return string(text)
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	peers := os.Getenv("PEERS")
	must(json.NewDecoder(bytes.NewBufferString(file(os.Getenv("DATA")))).Decode(&data))
	secret = []byte(data.Secret)
	limit, _ = strconv.ParseFloat(os.Getenv("LIMIT"), 64)
	readSQL, writeSQL = file(peers+"/read.sql"), strings.Split(file(peers+"/write.sql"), ";")
	askScript = redis.NewScript(3, file(peers+"/ask.lua"))
	if url := os.Getenv("DATABASE_URL"); url != "" {
		var err error
		database, err = pgxpool.Connect(context.Background(), url+"?pool_max_conns=16")
		must(err)
	}
	if url := os.Getenv("REDIS_URL"); url != "" {
		shared = &redis.Pool{MaxIdle: 64, Dial: func() (redis.Conn, error) { return redis.DialURL(url) }}
	}

	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, []byte(`{"status":"up"}`)) })
	switch os.Getenv("WORK") {
	case "W1a":
		http.HandleFunc(path+"/", read(fromMemory))
	case "W1b":
		http.HandleFunc(path+"/", read(fromRedis))
	case "W2":
		http.HandleFunc(path+"/", read(fromDatabase))
	case "W3":
		http.HandleFunc(path, create)
	}
	must(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
