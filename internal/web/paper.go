package web

import (
	"strconv"
	"strings"
	"time"
)

// PaperOptions describe a document for A4.
type PaperOptions struct {
	Title       string // 双向转诊（上转）单
	Number      string // ZZ202611210318
	Status      string // 已接诊
	Watermark   string // across the page: 已作废, 草稿, 样例; "" none
	QR          string // address or text behind the code; "" none
	Institution string // head of the paper
	PrintedBy   string
	PrintedAt   time.Time
	Copies      []string // 存根联, 转入机构联; each is printed; none: one copy
	Signatures  []string // 经治医师签名, 患者（家属）签名
	Seals       []string // 转出机构（盖章）
	Note        string   // small print at the end
	Back        string   // where 关闭 leads; "" closes the window or goes back
}

func (p PaperOptions) copies() []string {
	if len(p.Copies) == 0 {
		return []string{""}
	}
	return p.Copies
}

// footer is the line at the foot of every sheet.
func (p PaperOptions) footer() string {
	parts := []string{p.Number}
	if p.PrintedBy != "" {
		parts = append(parts, "打印人 "+p.PrintedBy)
	}
	if !p.PrintedAt.IsZero() {
		parts = append(parts, "打印时间 "+FormatFull(p.PrintedAt))
	}
	return strings.Join(parts, "　")
}

func copiesNote(p PaperOptions) string {
	if len(p.Copies) < 2 {
		return ""
	}
	return " · 一式 " + strconv.Itoa(len(p.Copies)) + " 联"
}
