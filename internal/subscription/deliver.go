package subscription

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/record"
)

// shake asks the endpoint for its first answer: an empty notification. Then the
// subscription is active; when there is no answer in several tries it is not,
// until the client asks again.
func (s *Service) shake(ctx context.Context, a shakeArgs) error {
	x, ok, err := s.load(ctx, a.ID)
	if err != nil || !ok || x.State != Requested || x.serial != a.Serial {
		return err
	}
	sent := s.send(ctx, x, nil, "")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var again error
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		again = nil
		x, ok, err := s.get(ctx, tx, a.ID)
		if err != nil || !ok || x.State != Requested || x.serial != a.Serial {
			return err
		}
		if sent == nil {
			return s.setState(ctx, tx, x, Active, "")
		}
		if x.failures++; x.failures >= tolerated {
			return s.setState(ctx, tx, x, Refused, "接收地址没有应答，订阅没有启用（"+sent.Error()+"）。排除故障后把 status 改为 requested 即可重试")
		}
		again = sent
		return s.put(ctx, tx, x)
	})
	if err != nil {
		return err
	}
	return again
}

func (s *Service) load(ctx context.Context, id string) (x Subscription, ok bool, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error { x, ok, err = s.get(ctx, tx, id); return err })
	return x, ok, err
}

// deliver tells the endpoint of one resource. The decision about the patient is
// made and recorded anew, for what is sent now.
func (s *Service) deliver(ctx context.Context, d deliverArgs) error {
	x, ok, err := s.load(ctx, d.Subscription)
	if err != nil || !ok || x.State != Active && x.State != Failing {
		return err
	}
	var body []byte
	if x.Payload {
		body, err = s.content(ctx, x, record.Key{Type: d.Type, ID: d.ID})
		if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden) {
			return nil // meanwhile deleted, or no longer to be seen
		}
		if err != nil {
			return err
		}
	}
	sent := s.send(ctx, x, body, d.Type+"/"+d.ID)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := s.DB.Tx(ctx, func(tx *db.Tx) error { return s.note(ctx, tx, d.Subscription, sent) }); err != nil {
		return err
	}
	return sent
}

func (s *Service) content(ctx context.Context, x Subscription, key record.Key) (body []byte, err error) {
	a, err := s.Accounts.AsClient(ctx, x.Client, "")
	if err != nil {
		return nil, err
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		r, err := s.Store.Read(ctx, tx, key)
		if err != nil {
			return err
		}
		body = r.Body
		leaf := audit.Leaf{Actor: a.Actor, Action: "record.notify", Object: key.Type, ObjectID: key.ID, Outcome: audit.OK, Detail: "订阅 " + x.ID}
		if r.Nobodys() && r.Source.Org != a.Actor.Org {
			return errs.E(errs.Forbidden, "%s 由别的机构送来，没有写明是哪位患者的资料，不通知", key)
		}
		if r.Patient == "" {
			return s.Audit.Append(ctx, tx, leaf)
		}
		_, err = s.Access.Record(ctx, tx, a.Actor, access.Entry{Patient: r.Patient, Action: leaf.Action, Object: key.Type, ObjectID: key.ID, Detail: leaf.Detail,
			Hidden: func(ctx context.Context, tx *db.Tx) (bool, error) {
				return s.Store.Hidden(ctx, tx, r, a.Actor.Org, false)
			}})
		return err
	})
	return body, err
}

// note keeps count of failures: several in a row are shown as status error, a
// success ends that, and a day of failures ends the subscription.
func (s *Service) note(ctx context.Context, tx *db.Tx, id string, sent error) error {
	x, ok, err := s.get(ctx, tx, id)
	if err != nil || !ok || x.State != Active && x.State != Failing {
		return err
	}
	if sent == nil {
		if x.failures == 0 && x.State == Active {
			return nil
		}
		return s.setState(ctx, tx, x, Active, "")
	}
	if x.failures++; x.failingSince.IsZero() {
		x.failingSince = tx.Now
	}
	switch {
	case tx.Now.Sub(x.failingSince) >= giveUpAfter:
		return s.setState(ctx, tx, x, Off, "接收地址一天没有应答，订阅已关闭（"+sent.Error()+"）")
	case x.failures >= tolerated && x.State == Active:
		return s.setState(ctx, tx, x, Failing, fmt.Sprintf("接收地址连续 %d 次没有应答（%v），仍在重试", x.failures, sent))
	}
	return s.put(ctx, tx, x)
}

// setState moves a subscription and says so in its resource.
func (s *Service) setState(ctx context.Context, tx *db.Tx, x Subscription, to State, reason string) error {
	if to == Active {
		x.failures, x.failingSince = 0, time.Time{}
	}
	was := x.State
	x.State = to
	if err := s.put(ctx, tx, x); err != nil {
		return err
	}
	if was == to {
		return nil
	}
	key := record.Key{Type: "Subscription", ID: x.ID}
	r, err := s.Store.Read(ctx, tx, key)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	body, err := stated(r.Body, to, reason)
	if err != nil {
		return err
	}
	next, _, err := s.Store.Update(ctx, tx, record.Draft{Body: body, ID: x.ID, Source: r.Source, If: r.Version})
	if err != nil {
		return fmt.Errorf("update subscription: %w", err)
	}
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: audit.Program("订阅"), Action: "record.subscription", Object: "Subscription", ObjectID: x.ID,
		Outcome: audit.OK, Detail: fmt.Sprintf("第 %d 版：%s", next.Version, to.shown())})
}

// stated is a Subscription with its status and error set.
func stated(body []byte, to State, reason string) ([]byte, error) {
	doc, err := tape.Parse(body)
	if err != nil {
		return nil, err
	}
	had := doc.Root().Get("error").Exists()
	doc.Release()
	type op struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value string `json:"value,omitempty"`
	}
	patch := []op{{"replace", "/status", to.shown()}}
	switch {
	case reason != "":
		patch = append(patch, op{"add", "/error", reason})
	case had:
		patch = append(patch, op{Op: "remove", Path: "/error"})
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return nil, err
	}
	return tape.Patch(body, raw)
}

// send makes one request: an empty POST, or with a content an update of the
// resource below the endpoint (FHIR R4, Subscription, rest-hook). Any answer
// but success is an error.
func (s *Service) send(ctx context.Context, x Subscription, body []byte, at string) error {
	if err := allowed(s.Hosts, x.Endpoint); err != nil { // the configuration may have changed
		return err
	}
	method, address := http.MethodPost, x.Endpoint
	if body != nil {
		method, address = http.MethodPut, strings.TrimSuffix(x.Endpoint, "/")+"/"+at
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return errs.Because(err, errs.Unavailable, "网址无法使用")
	}
	for _, h := range x.Headers {
		name, value, _ := strings.Cut(h, ":")
		r.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/fhir+json; charset=utf-8")
	}
	resp, err := s.client.Do(r)
	if err != nil {
		// The cause may name inner addresses: it is for the log, not for the client.
		slog.Info("subscription: endpoint not reached", "subscription", x.ID, "error", err)
		return errs.Because(err, errs.Unavailable, "连接失败或超时")
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return errs.E(errs.Unavailable, "应答为 %d", resp.StatusCode)
	}
	return nil
}
