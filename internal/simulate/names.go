package simulate

import "strings"

// names invents members of staff: common surnames of Hunan and given names out
// of two short pools. No name comes from a document.
type names struct {
	rng  *rng
	used map[string]bool
}

func newNames(r *rng) *names { return &names{r, map[string]bool{}} }

var (
	surnames = strings.Fields("唐 蒋 周 李 王 陈 刘 杨 黄 张 何 邓 胡 谢 吕 文 彭 罗 郑 欧阳")
	men      = strings.Fields("志强 建国 海波 晓东 文斌 俊杰 国华 永辉 振宇 少云 立新 光明 子轩 新民 启航 润生")
	women    = strings.Fields("丽娟 秀英 雪梅 玉兰 小燕 慧敏 佳慧 芳芳 红霞 春花 雨婷 静怡 美玲 素珍 思琪 晓琳")
)

// next returns a name that was not used yet and a sex (GB/T 2261.1).
func (n *names) next() (name, sex string) {
	for {
		sex, pool := "1", men
		if n.rng.chance(55) {
			sex, pool = "2", women
		}
		name := pick(n.rng, surnames) + pick(n.rng, pool)
		if !n.used[name] {
			n.used[name] = true
			return name, sex
		}
	}
}
