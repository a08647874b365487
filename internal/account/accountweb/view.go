package accountweb

import (
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/web"
)

func stateTone(a account.Account) web.Tone {
	switch a.State {
	case account.Active:
		return web.Good
	case account.Locked:
		return web.Bad
	case account.Disabled:
	}
	return web.Neutral
}

func postTone(s account.PostState) web.Tone {
	switch s {
	case account.PostActive:
		return web.Good
	case account.PostPending:
		return web.Warn
	case account.PostRefused:
		return web.Bad
	case account.PostEnded:
	}
	return web.Neutral
}

// device names the browser and system of a session in a few words.
func device(agent string) string {
	browser, system := "浏览器", ""
	for _, b := range []struct{ mark, name string }{
		{"MicroMessenger", "微信"}, {"Edg/", "Edge"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(agent, b.mark) {
			browser = b.name
			break
		}
	}
	for _, s := range []struct{ mark, name string }{
		{"Android", "安卓"}, {"iPhone", "苹果手机"}, {"Windows", "Windows"}, {"Linux", "Linux"}, {"Mac OS", "Mac"},
	} {
		if strings.Contains(agent, s.mark) {
			system = s.name
			break
		}
	}
	return strings.TrimSpace(browser + " " + system)
}

func options(list []account.Institution) []web.Option {
	out := make([]web.Option, len(list))
	for i, o := range list {
		out[i] = web.Option{Value: o.ID, Text: o.Name}
	}
	return out
}

func peopleOptions(list []account.Person) []web.Option {
	out := make([]web.Option, len(list))
	for i, p := range list {
		out[i] = web.Option{Value: p.ID, Text: p.Name, Note: p.Title}
	}
	return out
}

func roleOptions(list []access.Role) []web.Option {
	out := make([]web.Option, len(list))
	for i, r := range list {
		out[i] = web.Option{Value: string(r), Text: r.Title()}
		if account.Power(r) {
			out[i].Note = "须安全管理员审批"
		}
	}
	return out
}

func stateOptions() []web.Option {
	var out []web.Option
	for _, s := range []account.State{account.Active, account.Locked, account.Disabled} {
		out = append(out, web.Option{Value: string(s), Text: s.Title()})
	}
	return out
}

// held lists the posts in use of an account in one line.
func held(a account.Account) string {
	var out []string
	for _, p := range a.Posts {
		switch p.State {
		case account.PostActive:
			out = append(out, p.Title())
		case account.PostPending:
			out = append(out, p.Title()+"（待审批）")
		case account.PostRefused, account.PostEnded:
		}
	}
	return strings.Join(out, "；")
}

func signedIn(a account.Account) string {
	if a.LastSignIn.IsZero() {
		return "从未登录"
	}
	return web.FormatTime(a.LastSignIn)
}

func pausedText(a account.Account, now time.Time) string {
	if now.Before(a.LockedUntil) {
		return "连续输错密码，暂停登录到 " + web.FormatTime(a.LockedUntil)
	}
	return ""
}

func idleText(p account.Policy, otherwise int) string {
	if p.IdleMinutes == 0 {
		return fmt.Sprintf("默认（%d 分钟）", otherwise)
	}
	return fmt.Sprintf("%d 分钟", p.IdleMinutes)
}
