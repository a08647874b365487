// Package exchangeweb is the page of what other systems have sent: how much
// came from whom, what waits and why, each message readable, with what can be
// done about it. It parses, calls one use case of package exchange and renders.
package exchangeweb

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/chart"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/exchange"
	"yilian/internal/exchange/hl7"
	"yilian/internal/fhir/spec"
	"yilian/internal/record"
	"yilian/internal/web"
)

type face struct{ s *exchange.Service }

// Routes registers the pages and their menu.
func Routes(site *web.Site, s *exchange.Service) {
	f := &face{s}
	site.Handle("GET /exchange", f.list)
	site.Handle("GET /exchange/uncounted", f.uncounted)
	site.Handle("POST /exchange/withdraw/{type}/{id}", f.withdraw)
	site.Handle("GET /exchange/messages/{id}", f.message)
	site.Handle("POST /exchange/messages/{id}/replay", f.replay)
	site.Handle("POST /exchange/messages/{id}/dismiss", f.dismiss)
	f.fileRoutes(site)
	site.Menu(web.Item{Group: "系统管理", Title: "数据交换", Icon: "arrows-exchange", Path: "/exchange", Order: 920,
		Rights: []string{string(access.ExchangeManage), string(access.ExchangeCount)}})
}

// days is how many days the table of counts goes back.
const days = 14

// listView is the page of all messages.
type listView struct {
	Manage bool  // may open messages
	Left   int64 // visits of the institution that are not counted
	Filter exchange.Filter
	Rows   []exchange.Message
	Total  int64
	Counts map[exchange.State]int64
	Seen   []exchange.PeerSeen
	Days   []exchange.DayCount
	Query  url.Values
}

func (f *face) list(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	q := r.URL.Query()
	v := listView{Manage: access.May(actor, access.ExchangeManage, access.Own) && actor.Org != "", Query: q, Counts: map[exchange.State]int64{}}
	v.Filter = exchange.Filter{State: exchange.State(q.Get("state")), Peer: q.Get("peer"), Kind: q.Get("kind"), Page: web.PageNumber(r)}
	if day, err := calendar.ParseDate(q.Get("day")); err == nil {
		v.Filter.Day = day
	}
	switch {
	case v.Manage:
		v.Filter.Org = actor.Org
	case !access.May(actor, access.ExchangeCount, access.Any):
		return access.Require(actor, access.ExchangeManage, access.Own)
	}
	err := f.s.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		if v.Rows, v.Total, err = exchange.List(r.Context(), tx, v.Filter); err != nil {
			return err
		}
		for _, s := range exchange.States() {
			one := exchange.Filter{Org: v.Filter.Org, State: s}
			if _, v.Counts[s], err = exchange.List(r.Context(), tx, one); err != nil {
				return err
			}
		}
		if v.Manage {
			if _, v.Left, err = encounter.ListUncounted(r.Context(), tx, actor.Org, 1); err != nil {
				return err
			}
		}
		if v.Seen, err = exchange.Seen(r.Context(), tx, v.Filter.Org); err != nil {
			return err
		}
		v.Days, err = exchange.CountDays(r.Context(), tx, v.Filter.Org, calendar.DateOf(tx.Now).AddDays(-days))
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listPage(v))
}

// url is the list with one word of its filter changed.
func (v listView) url(name, value string) string {
	q := url.Values{}
	for _, k := range []string{"state", "peer", "kind", "day"} {
		if x := v.Query.Get(k); x != "" {
			q.Set(k, x)
		}
	}
	if q.Set(name, value); value == "" {
		q.Del(name)
	}
	return "/exchange?" + q.Encode()
}

func (v listView) tabs() []web.Tab {
	all := int64(0)
	out := []web.Tab{{}}
	for _, s := range exchange.States() {
		tone := web.Neutral
		if s == exchange.Waiting && v.Counts[s] > 0 {
			tone = web.Warn
		}
		out = append(out, web.Tab{Title: s.Title(), URL: v.url("state", string(s)), Count: int(v.Counts[s]), Tone: tone, Active: v.Filter.State == s})
		all += v.Counts[s]
	}
	out[0] = web.Tab{Title: "全部", URL: v.url("state", ""), Count: int(all), Active: v.Filter.State == ""}
	return out
}

func stateTone(s exchange.State) web.Tone {
	return map[exchange.State]web.Tone{exchange.Placed: web.Good, exchange.Waiting: web.Warn, exchange.Refused: web.Bad, exchange.Dismissed: web.Neutral}[s]
}

// kindTitles names what the messages are about.
var kindTitles = map[string]string{"ADT^A01": "入院", "ADT^A03": "出院", "ADT^A04": "门急诊登记", "ADT^A08": "就诊信息更新", "ADT^A11": "取消入院或登记",
	"ADT^A13": "取消出院", "ADT^A28": "新增患者", "ADT^A31": "患者信息更新", "ADT^A34": "患者号合并", "ADT^A40": "患者号合并", "ORU^R01": "检查检验结果",
	"ORM^O01": "医嘱申请", "OML^O21": "检验申请", "OMG^O19": "检查申请", "MDM^T02": "文书", "MDM^T08": "文书修改", "MDM^T10": "文书替换",
	"SIU^S12": "新预约", "SIU^S13": "改约", "SIU^S14": "预约修改", "SIU^S15": "取消预约", "SIU^S17": "删除预约", "SIU^S26": "爽约",
	"REF^I12": "转诊申请", "REF^I13": "转诊修改", "REF^I14": "取消转诊"}

// kindTitle is the kind of a message in words.
func kindTitle(kind string) string {
	if t := kindTitles[kind]; t != "" {
		return t
	}
	if kind == "" {
		return "读不懂的内容"
	}
	return "其他消息"
}

func (v listView) kinds() []web.Option {
	var out []web.Option
	for _, k := range exchange.Supported() {
		out = append(out, web.Option{Value: k, Text: kindTitle(k) + "（" + k + "）"})
	}
	return out
}

func (v listView) peers() []web.Option {
	var out []web.Option
	for _, p := range v.Seen {
		out = append(out, web.Option{Value: p.Peer, Text: p.Peer})
	}
	return out
}

// messageView is the page of one message.
type messageView struct {
	exchange.Message
	Segments []segment
	Raw      string
	Charset  string
	Err      error
	Card     string
}

// Open reports whether something can still be done.
func (v messageView) Open() bool { return v.State == exchange.Waiting || v.State == exchange.Refused }

// segment is one line of a message as people read it.
type segment struct {
	Name, Title string
	Fields      []field
	Marked      bool // the place of the reason
}

type field struct {
	N      int
	Text   string
	Marked bool
}

var segmentTitles = map[string]string{"MSH": "消息头", "EVN": "事件", "PID": "患者", "PD1": "患者补充", "PV1": "就诊", "PV2": "就诊补充", "NK1": "联系人",
	"DG1": "诊断", "IN1": "保险", "OBR": "申请与报告", "OBX": "结果", "ORC": "医嘱", "NTE": "备注", "TXA": "文书", "SCH": "预约", "RF1": "转诊",
	"PRD": "转诊双方", "MRG": "被合并的号码", "AL1": "过敏", "PR1": "操作", "AIS": "预约项目", "SPM": "标本", "GT1": "担保人", "TQ1": "时间"}

func segmentsOf(m *hl7.Message, place string) []segment {
	name, number, _ := strings.Cut(place, "-")
	at, _ := strconv.Atoi(number) // "" marks the segment only
	var out []segment
	for _, s := range m.Segments {
		title := segmentTitles[s.Name]
		if strings.HasPrefix(s.Name, "Z") {
			title = "来源自定义"
		}
		line := segment{Name: s.Name, Title: title, Marked: s.Name == name}
		for n := 1; n <= s.Len(); n++ {
			if text := strings.TrimSpace(s.Text(n)); text != "" || line.Marked && n == at {
				line.Fields = append(line.Fields, field{n, text, line.Marked && n == at})
			}
		}
		out = append(out, line)
	}
	return out
}

func (f *face) message(w http.ResponseWriter, r *http.Request) error {
	v, err := f.read(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, messagePage(v))
}

func (f *face) read(r *http.Request) (v messageView, err error) {
	k, raw, err := f.s.Read(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return v, err
	}
	v.Message = k
	if m, perr := hl7.Parse(raw); perr == nil {
		v.Segments, v.Charset = segmentsOf(m, k.Place), m.Charset
	} else {
		v.Raw = strings.ToValidUTF8(string(raw[:min(len(raw), 4000)]), "�")
	}
	return v, nil
}

func (f *face) replay(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	id := r.PathValue("id")
	fix := exchange.Fix{Card: web.Typed(r, "card"), Enter: r.FormValue("enter") != ""}
	k, err := f.s.Replay(r.Context(), access.ActorOf(r.Context()), id, web.Version(r), fix)
	if errs.Correctable(err) {
		v, rerr := f.read(r)
		if rerr != nil {
			return rerr
		}
		v.Err, v.Card = err, fix.Card
		return web.Render(w, r, web.Status(err), messagePage(v))
	}
	if err != nil {
		return err
	}
	if k.State == exchange.Placed {
		web.Flash(w, r, web.Good, "消息已入库")
	} else {
		web.Flash(w, r, web.Warn, "仍未入库："+k.Detail)
	}
	return web.Redirect(w, r, "/exchange/messages/"+id)
}

// Withdraw is where a fact of a chart is taken off it, "" when the actor may not
// or the fact is nothing that systems send.
func Withdraw(actor access.Actor, f chart.Fact) string {
	kind, id, ok := strings.Cut(f.Key, "/")
	if !ok || !spec.IsResource(kind) || f.Path != "" || f.Hidden || !exchange.MayWithdraw(actor, f.Org) {
		return ""
	}
	return "/exchange/withdraw/" + kind + "/" + id
}

// withdraw takes a resource off the chart that it was put into by mistake; the
// button stands on the page of the fact.
func (f *face) withdraw(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	key := record.Key{Type: r.PathValue("type"), ID: r.PathValue("id")}
	patient, told, err := f.s.WithdrawOne(r.Context(), access.ActorOf(r.Context()), key, web.Typed(r, "comment"))
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已撤出档案，"+strconv.Itoa(told)+" 位看过的人已收到更正通知")
	return web.Redirect(w, r, "/patients/"+patient)
}

func (f *face) dismiss(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	if err := f.s.Dismiss(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), web.Typed(r, "comment")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已标为不再处理，消息仍保留")
	return web.Redirect(w, r, "/exchange?state=waiting")
}
