// Package subscription tells other systems when resources that they have asked
// for are written (FHIR R4 Subscription, channel rest-hook). A subscription is a
// search; each version that it finds is told to the endpoint, by a job that
// tries again when nobody answers. A client hears of what its institution may
// see, and only at addresses that the administrator has allowed.
package subscription

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
)

// State is where a subscription stands.
type State string

// The states of a subscription.
const (
	Requested State = "requested" // waits for the endpoint's first answer
	Active    State = "active"
	Failing   State = "error"   // the endpoint does not answer; tried on
	Refused   State = "refused" // the endpoint never answered; shown as error
	Off       State = "off"
)

// shown is the state as Subscription.status.
func (s State) shown() string {
	if s == Refused {
		return string(Failing)
	}
	return string(s)
}

// Limits.
const (
	lag         = 2 * time.Second  // until every process knows of a new subscription
	knownFor    = time.Second      // how long a process trusts what it has read
	patience    = 10 * time.Second // for one answer of an endpoint
	tolerated   = 5                // failures in a row until the status says so
	giveUpAfter = 24 * time.Hour   // of failures until the subscription is switched off
)

// mask stands in a resource for the value of a header, which may be a secret.
const mask = "（已保存，不再显示）"

// Subscription is what a client has asked for.
type Subscription struct {
	ID, Client, Org string
	Type, Criteria  string
	Endpoint        string
	Headers         []string // Name: value
	Payload         bool
	State           State
	EndsAt          time.Time

	serial, failures int64
	failingSince     time.Time
}

// read takes a Subscription resource apart and names all that is wrong with it.
func read(root tape.Node, now time.Time) (Subscription, error) {
	var f errs.Form
	s := Subscription{Endpoint: clone(root.Get("channel").Get("endpoint")), State: State(clone(root.Get("status")))}
	switch s.State {
	case Requested, Active:
		s.State = Requested
	case Off:
	default:
		f.Add("status", "Subscription.status 只能由客户端设为 requested 或 off，其余由本平台设置")
	}
	channel := root.Get("channel")
	if kind := channel.Get("type").Text(); kind != "rest-hook" {
		f.Add("channel", "Subscription.channel.type 只支持 rest-hook，不支持“%s”", clip(kind))
	}
	switch p := channel.Get("payload").Text(); p {
	case "":
	case "application/fhir+json", "application/json":
		s.Payload = true
	default:
		f.Add("payload", "Subscription.channel.payload 只能是空，或 application/fhir+json，不能是“%s”", clip(p))
	}
	for h := range channel.Get("header").Items() {
		s.Headers = append(s.Headers, clone(h))
		f.AddErr("header", checkHeader(h.Text()))
	}
	if end := root.Get("end").Text(); end != "" {
		p, ok := search.ParseTime(end)
		if !ok || time.UnixMilli(p.From).Before(now) {
			f.Add("end", "Subscription.end 应是将来的时刻，例如 2027-03-02T09:00:00+08:00")
		}
		s.EndsAt = time.UnixMilli(p.From)
	}
	s.Type, s.Criteria, _ = strings.Cut(clone(root.Get("criteria")), "?")
	if !spec.IsResource(s.Type) {
		f.Add("criteria", "Subscription.criteria 应写作“类型?条件”，例如 Observation?code=1234-5")
	} else if _, err := s.query("", now); err != nil {
		f.AddErr("criteria", err)
	}
	return s, f.Err()
}

// query is the search of the subscription, about one resource when id is not "".
func (x Subscription) query(id string, now time.Time) (*search.Query, error) {
	text := x.Criteria
	if id != "" {
		text = strings.TrimPrefix(text+"&_id="+url.QueryEscape(id), "&")
	}
	q, err := search.ParseQuery(x.Type, text, search.Options{Strict: true, Now: now.UnixMilli()})
	if err != nil {
		return nil, err
	}
	if len(q.Includes)+len(q.RevIncludes)+len(q.Sort)+len(q.Elements) > 0 || q.Count >= 0 || q.Summary != search.SummaryFalse {
		return nil, errs.E(errs.Invalid, "Subscription.criteria 里只能有条件，不能有 _include、_sort、_count 等")
	}
	return q, nil
}

// checkHeader refuses headers that are no headers, or that are not the
// subscriber's to set.
func checkHeader(h string) error {
	name, value, ok := strings.Cut(h, ":")
	name = http.CanonicalHeaderKey(strings.TrimSpace(name))
	bad := strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) ||
		strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) })
	if !ok || name == "" || bad {
		return errs.E(errs.Invalid, "Subscription.channel.header 应写作“名称: 内容”，例如 Authorization: Bearer …")
	}
	if slices.Contains([]string{"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer"}, name) {
		return errs.E(errs.Invalid, "Subscription.channel.header 不能设置 %s", name)
	}
	return nil
}

// CheckHosts refuses a list of allowed addresses that is not one.
func CheckHosts(hosts []string) error {
	for _, h := range hosts {
		u, err := url.Parse(h)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return errs.E(errs.Invalid, "“%s”应是协议和主机，例如 https://his.example.cn:8443", h)
		}
	}
	return nil
}

// allowed reports whether an endpoint lies under one of the allowed addresses:
// the same scheme, host and port. Nothing is resolved or normalised beyond
// that, so what is not written in the list is not reached.
func allowed(hosts []string, endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return errs.E(errs.Invalid, "Subscription.channel.endpoint 应是完整的网址，且不带用户名，例如 https://his.example.cn/hook")
	}
	for _, h := range hosts {
		a, err := url.Parse(h)
		if err == nil && strings.EqualFold(a.Scheme, u.Scheme) && strings.EqualFold(hostPort(a), hostPort(u)) {
			return nil
		}
	}
	return errs.E(errs.Invalid, "本平台不向 %s://%s 发送通知：请系统管理员把它加入配置文件的 fhir.hooks", u.Scheme, u.Host)
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return u.Hostname() + ":" + port
}

func clone(n tape.Node) string { return strings.Clone(n.Text()) }

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
