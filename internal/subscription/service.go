package subscription

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/jobs"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// Service keeps subscriptions and serves them. All fields but Hosts are
// required; Init before use.
type Service struct {
	DB       *db.DB
	Store    *record.Store
	Keys     *crypto.Keyring
	Accounts *account.Service
	Access   *access.Control
	Audit    *audit.Log
	Queue    *jobs.Queue
	// Hosts are the addresses that may be told, https://host:port; none: nobody.
	Hosts []string

	client *http.Client

	mu    sync.Mutex
	known map[string]bool // types that somebody has subscribed to
	at    time.Time       // when that was read
}

// The kinds of jobs.
const (
	shakeJob   = "subscription.handshake"
	matchJob   = "subscription.match"
	deliverJob = "subscription.deliver"
)

type shakeArgs struct {
	ID     string
	Serial int64
}

type matchArgs struct{ Type, ID string }

type deliverArgs struct{ Subscription, Type, ID string }

// Init registers the jobs and listens to the store.
func (s *Service) Init() {
	// Endpoints are reached directly, never through a proxy of the environment,
	// and a redirection is no answer: it could lead anywhere.
	s.client = &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: patience},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	jobs.HandleOutside(s.Queue, shakeJob, s.shake)
	jobs.Handle(s.Queue, matchJob, s.match)
	jobs.HandleOutside(s.Queue, deliverJob, s.deliver)
	s.Queue.Title(shakeJob, "启用数据订阅")
	s.Queue.Title(matchJob, "核对数据订阅")
	s.Queue.Title(deliverJob, "发送订阅通知")
	s.Store.Changed = s.changed
}

// Put takes in what a client asks for under id, in the transaction that stores
// the resource, and returns the resource as it is to be stored: waiting for the
// endpoint's answer, and without the values of headers.
func (s *Service) Put(ctx context.Context, tx *db.Tx, actor access.Actor, client, id string, body []byte) ([]byte, error) {
	doc, err := tape.Parse(body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	root := doc.Root()
	x, err := read(root, tx.Now)
	if err != nil {
		return nil, err
	}
	x.ID, x.Client, x.Org = id, client, actor.Org
	if err := allowed(s.Hosts, x.Endpoint); err != nil && x.State != Off {
		return nil, err
	}
	a, err := s.Accounts.AsClient(ctx, client, "")
	if err != nil {
		return nil, err
	}
	if !a.Scopes.Allow(x.Type, smart.Read) || !a.Scopes.Allow(x.Type, smart.Search) {
		return nil, errs.E(errs.Forbidden, "客户端 %s 的范围（%s）不包括读取和搜索 %s，不能订阅", client, a.Scopes, x.Type)
	}
	old, was, err := s.get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if was && old.Client != client {
		return nil, errs.E(errs.Forbidden, "这个订阅由另一个客户端建立，只能由它修改")
	}
	if err := x.unmask(old.Headers); err != nil {
		return nil, err
	}
	x.serial = old.serial + 1
	if err := s.put(ctx, tx, x); err != nil {
		return nil, err
	}
	if x.State == Requested {
		err = s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: shakeJob, Args: shakeArgs{id, x.serial}, RunAt: tx.Now.Add(lag)})
	}
	return shownBody(root, x), err
}

// unmask puts the kept values of headers back that the client sends as it has
// read them.
func (x *Subscription) unmask(kept []string) error {
	for i, h := range x.Headers {
		name, value, _ := strings.Cut(h, ":")
		if strings.TrimSpace(value) != mask {
			continue
		}
		found := false
		for _, k := range kept {
			if n, _, _ := strings.Cut(k, ":"); strings.EqualFold(strings.TrimSpace(n), strings.TrimSpace(name)) {
				x.Headers[i], found = k, true
			}
		}
		if !found {
			return errs.E(errs.Invalid, "Subscription.channel.header 的 %s 没有保存过内容，请填写", name)
		}
	}
	return nil
}

// shownBody is the resource with its state, and with masked headers.
func shownBody(root tape.Node, x Subscription) []byte {
	edits := []tape.Edit{tape.Replace(root.Get("status"), tape.Quote(x.State.shown()))}
	for h := range root.Get("channel").Get("header").Items() {
		name, _, _ := strings.Cut(h.Text(), ":")
		edits = append(edits, tape.Replace(h, tape.Quote(strings.TrimSpace(name)+": "+mask)))
	}
	from, _ := root.Span()
	for i := range edits {
		edits[i].From -= from
		edits[i].To -= from
	}
	return tape.Apply(nil, root.Raw(), edits...)
}

// Delete ends a subscription whose resource is deleted.
func (s *Service) Delete(ctx context.Context, tx *db.Tx, client, id string) error {
	x, ok, err := s.get(ctx, tx, id)
	if err != nil || !ok {
		return err
	}
	if x.Client != client {
		return errs.E(errs.Forbidden, "这个订阅由另一个客户端建立，只能由它删除")
	}
	x.State, x.Headers, x.serial = Off, nil, x.serial+1
	return s.put(ctx, tx, x)
}

// changed enqueues the question who wants to hear of a version, if anybody has
// subscribed to its type.
func (s *Service) changed(ctx context.Context, tx *db.Tx, r record.Resource) error {
	if r.Deleted || r.Withdrawn {
		return nil
	}
	wanted, err := s.wanted(ctx, tx, r.Type)
	if err != nil || !wanted {
		return err
	}
	return s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: matchJob, Args: matchArgs{r.Type, r.ID}})
}

// wanted reports whether somebody has subscribed to a type. What the process
// knows is at most knownFor old, and a subscription becomes active only after
// lag, so no process misses the first change.
func (s *Service) wanted(ctx context.Context, tx *db.Tx, kind string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := tx.Now.Sub(s.at); s.known != nil && age >= 0 && age < knownFor {
		return s.known[kind], nil
	}
	types, err := db.List(ctx, tx, db.Value[string], `SELECT DISTINCT type FROM subscription WHERE state IN ('requested', 'active', 'error')`)
	if err != nil {
		return false, fmt.Errorf("read subscribed types: %w", err)
	}
	s.known, s.at = make(map[string]bool, len(types)), tx.Now
	for _, t := range types {
		s.known[t] = true
	}
	return s.known[kind], nil
}

// match asks each subscription of the type whether it finds the resource.
func (s *Service) match(ctx context.Context, tx *db.Tx, m matchArgs) error {
	list, err := s.live(ctx, tx, m.Type)
	if err != nil {
		return err
	}
	for _, x := range list {
		if !x.EndsAt.IsZero() && !tx.Now.Before(x.EndsAt) {
			if err := s.setState(ctx, tx, x, Off, "订阅已到期"); err != nil {
				return err
			}
			continue
		}
		a, err := s.Accounts.AsClient(ctx, x.Client, "")
		if errs.Is(err, errs.Forbidden) {
			if err := s.setState(ctx, tx, x, Off, "客户端已停用"); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		found, err := s.finds(ctx, tx, x, a.Actor, m.ID)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		args := deliverArgs{x.ID, m.Type, m.ID}
		if err := s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: deliverJob, Args: args, Key: x.ID + "/" + m.Type + "/" + m.ID}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) finds(ctx context.Context, tx *db.Tx, x Subscription, actor access.Actor, id string) (bool, error) {
	q, err := x.query(id, tx.Now)
	if err != nil { // accepted once, by other rules
		return false, s.setState(ctx, tx, x, Off, "订阅条件已不被支持："+err.Error())
	}
	page, err := s.Store.Search(ctx, tx, *q, record.Options{Count: 1, IDs: true, For: record.For(actor)})
	return len(page.List) > 0, err
}
