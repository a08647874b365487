package referralweb

import (
	"context"
	"net/http"
	"strconv"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/errs"
	"yilian/internal/referral"
	"yilian/internal/reminder"
	"yilian/internal/web"
)

// remindedAnswer records what a patient has said to the reminder.
func (p *Pages) remindedAnswer(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := web.ParseForm(r); err != nil {
		return err
	}
	id := r.PathValue("id")
	err := p.Service.AnswerReminder(ctx, actor, referral.Ref{ID: id, Once: web.OnceToken(r)}, reminder.Reply{
		Answer: web.Typed(r, "answer"), Reason: web.Typed(r, "reason"), How: web.Typed(r, "how"), Note: web.Typed(r, "note"),
	})
	if err != nil && !errs.Correctable(err) {
		return err
	}
	if err == nil {
		said := "患者的答复已登记"
		if web.Typed(r, "answer") == reminder.WillNotCome {
			said = "已登记患者不来，请打开这张单子取消或改约"
		}
		web.Flash(w, r, web.Good, said)
		web.Changed(w, "referral")
		if !web.IsFragment(r) {
			return web.Redirect(w, r, "/desk")
		}
	}
	d, terr := p.today(ctx, actor)
	if terr != nil {
		return terr
	}
	if err == nil {
		return p.answerDesk(w, r, http.StatusOK, d)
	}
	d.Asked, d.Values, d.AskErr = id, r.PostForm, err
	return p.answerDesk(w, r, web.Status(err), d)
}

// asked is what was typed into the answer form of a case that came back.
func (d desk) asked(i referral.Item, name string) string {
	if d.Asked != i.Case.ID {
		return ""
	}
	return d.Values.Get(name)
}

func (d desk) askErr(i referral.Item) error { return onlyFor(d.Asked == i.Case.ID, d.AskErr) }

// figures says what became of the reminders of the last days.
func (d desk) figures() string {
	f := d.Reminded.Figures
	if f.Sent == 0 {
		return "近 30 天没有发出就诊提醒"
	}
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	return "近 30 天提醒 " + n(f.Sent) + " 人：确认会来 " + n(f.Confirmed) + "，表示不来 " + n(f.WillNotCome) + "，联系不上 " + n(f.Unreachable) + "，未答复 " + n(f.Open())
}

func hows() []web.Option {
	return []web.Option{{Value: reminder.ByPhone, Text: "电话"}, {Value: reminder.InPerson, Text: "当面"}}
}

// receiptTone is the colour of what became of a reminder.
func receiptTone(r reminder.Receipt) web.Tone {
	switch r.Answer {
	case reminder.Confirmed:
		return web.Good
	case reminder.WillNotCome:
		return web.Bad
	case reminder.Unreachable:
		return web.Warn
	}
	return web.Neutral
}

func receiptText(r reminder.Receipt) string {
	text := r.Text()
	if r.ByName != "" {
		text += "（" + r.ByName + " " + web.FormatTime(r.AnsweredAt) + " 登记）"
	}
	if r.Note != "" {
		text += "。" + r.Note
	}
	return text
}

// Answers are the taps under a resident's messages that remind him of an
// appointment.
func (p *Pages) Answers(ctx context.Context, actor access.Actor) (map[string]templ.Component, error) {
	list, err := p.Service.AwaitingOf(ctx, actor)
	out := make(map[string]templ.Component, len(list))
	for id, a := range list {
		out[id] = comingPart(a)
	}
	return out, err
}

// coming takes the tap.
func (p *Pages) coming(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	if err := p.Service.ConfirmComing(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.OnceToken(r)); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已告诉医院您会按时来")
	return web.Redirect(w, r, "/messages")
}
