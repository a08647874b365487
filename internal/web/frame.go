package web

import (
	"context"
	"time"
)

// Frame is what the shell shows around every page: who is signed in, where, and
// what waits. The app puts it into the context of signed-in requests.
type Frame struct {
	User       string         // 李护士
	Key        string         // account id/post id; drafts of another key are thrown away
	Post       string         // 转诊中心
	Org        string         // 县人民医院
	Region     string         // alliance or region for the brand: 零陵区
	Menu       []Group        // already filtered by rights
	Badges     map[string]int // by Item.Badge or Item.Path; zero is not shown
	Notices    int            // unread notices, for the bell
	Idle       time.Duration  // lock after so long without input; 0 never
	Posts      int            // how many posts the person holds; 切换岗位 shows from 2
	Live       bool           // GET /events is served
	NoSearch   bool           // hide the patient search (residents, administrators)
	Large      bool           // large print (older people)
	Alarm      string         // where the alarm of emergencies is asked for; "" for people who are not called
	AlarmTopic string         // topic of the event stream on which it is asked again
	Banner     string         // a standing warning over the page, for example 演示数据
}

type frameKey struct{}

// WithFrame puts the frame into the context.
func WithFrame(ctx context.Context, f Frame) context.Context {
	return context.WithValue(ctx, frameKey{}, f)
}

// FrameOf returns the frame of the request, the zero Frame when nobody is signed in.
func FrameOf(ctx context.Context) Frame {
	f, _ := ctx.Value(frameKey{}).(Frame)
	return f
}

// badge returns what waits behind a menu item.
func (f Frame) badge(it Item) int {
	if it.Badge != "" {
		return f.Badges[it.Badge]
	}
	return f.Badges[it.Path]
}
