package pinyin

import "strings"

// surnameReadings are the surnames that are read otherwise than the character
// is elsewhere, or in more than one way; the usual reading comes first. Readings
// that bearers of the name really use, and those that a clerk types by mistake
// because the character is commoner so, are both findable. ü is written u.
const surnameReadings = `
单 shan dan|曾 zeng ceng|解 xie jie|仇 qiu chou|区 ou qu|盖 ge gai|查 zha cha|朴 piao pu|覃 qin tan|翟 zhai di|乐 yue le|洗 xian xi
员 yun yuan|贠 yun|种 chong zhong|缪 miao mou|宓 mi fu|秘 bi mi|黑 he hei|折 she zhe|召 shao zhao|都 du dou|晟 cheng sheng|沈 shen chen
石 shi dan|炅 gui jiong|隗 wei kui|繁 po fan|卜 bu|柏 bai bo|祭 zhai ji|藏 zang cang|车 che ju|尉 wei yu|阚 kan|那 na nuo
句 gou ju|么 yao me|牟 mou mu|能 nai neng|行 xing hang|郗 xi chi|乜 nie mie|郇 xun huan|长 zhang chang|谌 chen shen|佴 nai er|粘 nian zhan
铅 yan qian|强 qiang jiang|适 kuo shi|炔 gui que|盛 sheng cheng|省 sheng xing|什 shi|莘 shen xin|参 shen can|遗 yi wei|降 jiang xiang|贾 jia gu
颉 xie jie|六 lu liu|陆 lu liu|率 lu shuai|厦 xia sha|拓 tuo ta|角 jue jiao|脚 jue|扎 zha za|笮 ze zuo|柞 zuo zha|藉 ji jie
稽 ji qi|给 ji gei|会 gui hui|桧 gui hui|卡 qia ka|阿 e a|薄 bo bao|伯 bo bai|重 chong zhong|畜 xu chu|啜 chuai chuo|枞 cong zong
佃 dian tian|恶 e wu|番 fan pan|费 fei bi
`

// compoundReadings are surnames of two characters, syllables joined by a hyphen.
const compoundReadings = `
欧阳 ou-yang|长孙 zhang-sun|尉迟 yu-chi wei-chi|万俟 mo-qi wan-si|令狐 ling-hu|上官 shang-guan|司马 si-ma|司徒 si-tu|司空 si-kong|诸葛 zhu-ge
夏侯 xia-hou|皇甫 huang-fu|公孙 gong-sun|慕容 mu-rong|宇文 yu-wen|东方 dong-fang|西门 xi-men|南宫 nan-gong|独孤 du-gu|端木 duan-mu
澹台 tan-tai|赫连 he-lian|鲜于 xian-yu|闾丘 lu-qiu|申屠 shen-tu|太叔 tai-shu|轩辕 xuan-yuan|濮阳 pu-yang|淳于 chun-yu|单于 chan-yu shan-yu dan-yu
呼延 hu-yan|钟离 zhong-li|仲孙 zhong-sun|公冶 gong-ye|公羊 gong-yang|公良 gong-liang|宗政 zong-zheng|拓跋 tuo-ba|百里 bai-li|东郭 dong-guo
南门 nan-men|梁丘 liang-qiu|左丘 zuo-qiu|谷梁 gu-liang|第五 di-wu|纳兰 na-lan|完颜 wan-yan|叶赫 ye-he|闻人 wen-ren|亓官 qi-guan
司寇 si-kou|子车 zi-ju zi-che|颛孙 zhuan-sun|巫马 wu-ma|公西 gong-xi|漆雕 qi-diao|乐正 yue-zheng le-zheng|壤驷 rang-si|宰父 zai-fu|夹谷 jia-gu
段干 duan-gan|微生 wei-sheng|羊舌 yang-she|即墨 ji-mo|达奚 da-xi|哥舒 ge-shu|贺兰 he-lan|侯莫 hou-mo|阿史 a-shi|车非 che-fei ju-fei
`

// givenReadings are characters in given names with two readings in real use.
const givenReadings = `
乐 le yue|茜 qian xi|晟 sheng cheng|朝 chao zhao|长 chang zhang|柏 bai bo|娜 na nuo|重 zhong chong|行 xing hang|曾 zeng ceng
盛 sheng cheng|莘 xin shen|翟 zhai di|单 dan shan|解 jie xie|覃 tan qin|乾 qian gan
`

func parseReadings(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		for entry := range strings.SplitSeq(line, "|") {
			words := strings.Fields(entry)
			if _, ok := out[words[0]]; !ok {
				out[words[0]] = words[1:]
			}
		}
	}
	return out
}
