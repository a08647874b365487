package exchange

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange/hl7"
	"yilian/internal/idcard"
	"yilian/internal/patient"
)

// said is what a message or a row says about a person.
type said struct {
	name, sex, birth string // GB/T 2261.1, YYYY-MM-DD
	card             string // identity card as written, "" none
	phone, address   string
	region           string // village code
	insurance        string
	numbers          []number
	at               string // segment and field that name the person, for answers
	field            int
}

// number is a number by which an institution knows a person.
type number struct{ system, value string }

// personOf reads PID. Numbers stand in PID-3, in older messages in PID-2 and
// PID-4, the identity card sometimes in PID-19.
func personOf(pid hl7.Segment) (said, error) {
	p := said{at: "PID", field: 3}
	if len(pid.Raw(3)) == 0 && len(pid.Raw(2)) == 0 {
		return p, missing("PID", 3, "患者号")
	}
	for _, field := range []int{3, 19, 2, 4} {
		for _, r := range pid.Reps(field) {
			p.addNumber(r.Comp(1), cmp.Or(r.Comp(4), r.Sub(4, 2)), r.Comp(5), field)
		}
	}
	for _, r := range pid.Reps(5) {
		if n := personName(r.Comp(1), r.Comp(2), r.Comp(3)); n != "" && (p.name == "" || han(n) && !han(p.name)) {
			p.name = n
		}
	}
	if t := pid.Str(7); t != "" {
		at, precision, err := hl7.ParseTime(t, calendar.Shanghai)
		if err != nil {
			return p, fault(BadValue, hl7.DataType, "PID", 7, "PID-7 出生日期：%v", err)
		}
		if precision >= 8 {
			p.birth = at.Format("2006-01-02")
		}
	}
	p.sex = sexOf(pid.Str(8))
	for _, r := range pid.Reps(13) {
		if p.phone == "" {
			p.phone = patient.NormalizePhone(cmp.Or(r.Comp(12), r.Comp(1)))
		}
	}
	p.address = addressOf(pid.Rep(11))
	return p, nil
}

// addNumber sorts a number: an identity card is one by its check digit,
// whatever the sender calls it.
func (p *said) addNumber(value, system, kind string, field int) {
	value = strings.TrimSpace(value)
	if value == "" || value == `""` {
		return
	}
	_, err := idcard.ParseOn(value, "9999-12-31") // whether it is in the future is asked later
	switch {
	case err == nil && len(value) == 18: // 15 digits may be anything
		p.card = idcard.Normalize(value)
	case kind == "NNCHN" || kind == "ID" || field == 19 && len(value) == 18:
		p.card = value
	case field == 19 || kind == "SS" || kind == "DL":
		// a number of another register, which says nothing here
	default:
		p.numbers = append(p.numbers, number{system, value})
	}
}

func han(s string) bool { return strings.IndexFunc(s, func(c rune) bool { return c > 0x2e80 }) >= 0 }

// sexOf reads table HL70001 and GB/T 2261.1.
func sexOf(s string) string {
	switch strings.ToUpper(s) {
	case "M", "1", "男":
		return patient.Male
	case "F", "2", "女":
		return patient.Female
	case "U", "0", "", "未知":
		return patient.SexUnknown
	}
	return patient.SexUnstated
}

// addressOf writes an address (XAD) the way people here do: from the province
// down.
func addressOf(r hl7.Repetition) string {
	street, other, city, state := r.Comp(1), r.Comp(2), r.Comp(3), r.Comp(4)
	if han(street + city + state) {
		return state + city + street + other
	}
	return strings.Join(strings.Fields(strings.Join([]string{street, other, city, state}, " ")), " ")
}

// named finds the person that somebody has named for a message.
func (s *Service) named(ctx context.Context, tx *db.Tx, src source, p said) (string, error) {
	if src.assigned == NewPerson {
		return s.enter(ctx, tx, src, p)
	}
	return src.assigned, s.remember(ctx, tx, src, p, src.assigned)
}

// identify finds who a message is about, or enters a person that nobody knows.
// Two identifiers must agree before anything is attached to somebody: a number
// and the name or the birth date. What does not fit waits for a person to
// decide.
func (s *Service) identify(ctx context.Context, tx *db.Tx, src source, p said) (string, error) {
	if src.assigned != "" {
		return s.named(ctx, tx, src, p)
	}
	byNumber, err := s.byNumbers(ctx, tx, src, p.numbers)
	if err != nil {
		return "", err
	}
	byCard, err := s.byCard(ctx, tx, p)
	if err != nil {
		return "", err
	}
	if byNumber != "" && byCard != "" {
		if same, err := access.IsSame(ctx, tx, byNumber, byCard); err != nil {
			return "", err
		} else if !same {
			return "", hold(PersonDiffers, p.at, p.field, "院内号与身份证号指向两位不同的患者，需人工核实")
		}
	}
	found := cmp.Or(byNumber, byCard)
	if found == "" {
		return s.newcomer(ctx, tx, src, p)
	}
	agrees, err := s.agrees(ctx, tx, found, p, byCard != "")
	if err != nil {
		return "", err
	}
	if !agrees {
		return "", hold(PersonDiffers, "PID", 5, "号码对应的患者与消息中的姓名、出生日期不一致，需人工核实")
	}
	return found, s.remember(ctx, tx, src, p, found)
}

// byCard finds the holder of the identity card, if the number can be right.
func (s *Service) byCard(ctx context.Context, tx *db.Tx, p said) (string, error) {
	if p.card == "" {
		return "", nil
	}
	if _, err := idcard.ParseOn(p.card, string(calendar.DateOf(tx.Now))); err != nil {
		return "", hold(PersonUnknown, p.at, p.field, "身份证号校验不通过：%v", err)
	}
	return s.Patients.HolderOf(ctx, tx, patient.IDCard, p.card)
}

// agrees asks for the second identifier: the name, or without a card the birth
// date, which a card contains.
func (s *Service) agrees(ctx context.Context, tx *db.Tx, id string, p said, byCard bool) (bool, error) {
	briefs, err := patient.Briefs(ctx, tx, []string{id})
	if err != nil {
		return false, err
	}
	b := briefs[id]
	if p.name != "" && plain(b.Name) == plain(p.name) {
		return byCard || p.birth == "" || p.birth == string(b.BirthDate), nil
	}
	return p.name == "" && !byCard && p.birth != "" && p.birth == string(b.BirthDate), nil
}

// plain is a name without blanks, dots and capitals.
func plain(name string) string {
	return strings.ToLower(strings.Map(func(c rune) rune {
		if strings.ContainsRune(" \u3000·•.-", c) {
			return -1
		}
		return c
	}, name))
}

// newcomer enters a person whom nobody knows: with a card, or with the
// institution's number, name, sex and birth date. Somebody of the same name and
// birth date may be the same person: that is for people to decide.
func (s *Service) newcomer(ctx context.Context, tx *db.Tx, src source, p said) (string, error) {
	if p.card == "" {
		if len(p.numbers) == 0 || p.name == "" || p.birth == "" {
			return "", hold(PersonUnknown, p.at, p.field, "没有身份证号，院内号、姓名、出生日期也不齐全，认不出患者")
		}
		n, err := db.Count(ctx, tx, `SELECT count(*) FROM patient WHERE birth_date = $1 AND name = $2`, p.birth, p.name)
		if err != nil {
			return "", err
		}
		if n > 0 {
			return "", hold(PersonAmbiguous, "PID", 5, "没有身份证号，已有 %d 位同名同生日的患者，需人工确认是否同一人", n)
		}
	}
	return s.enter(ctx, tx, src, p)
}

// enter makes a person of what was said.
func (s *Service) enter(ctx context.Context, tx *db.Tx, src source, p said) (string, error) {
	e := patient.Entry{Name: p.name, Sex: p.sex, BirthDate: calendar.Date(p.birth), Phone: p.phone, Address: p.address,
		Region: p.region, InsuranceKind: cmp.Or(p.insurance, patient.OtherCover), Org: src.peer.Org}
	if card, err := idcard.ParseOn(p.card, string(calendar.DateOf(tx.Now))); err == nil {
		e.IDType, e.IDNumber, e.Sex, e.BirthDate = patient.IDCard, card.Number, card.Sex, calendar.Date(card.Birth)
	}
	if e.Name == "" {
		return "", missing("PID", 5, "姓名")
	}
	if e.BirthDate == "" {
		return "", missing("PID", 7, "出生日期")
	}
	if e.BirthDate.After(calendar.DateOf(tx.Now)) {
		return "", fault(BadValue, hl7.DataType, "PID", 7, "PID-7 出生日期 %s 晚于今天", e.BirthDate)
	}
	id, err := s.Patients.EnterTx(ctx, tx, src.actor(), e)
	if err != nil {
		return "", err
	}
	return id, s.remember(ctx, tx, src, p, id)
}

// numberDomain is that of the keyed hashes of institutions' numbers.
const numberDomain = "exchange.number"

// byNumbers finds whom the institution knows under one of its numbers.
func (s *Service) byNumbers(ctx context.Context, tx *db.Tx, src source, list []number) (string, error) {
	found := ""
	for _, n := range list {
		query, args := db.Expand(`SELECT patient FROM exchange_person WHERE org = $1 AND system = $2 AND number IN ($list)`,
			[]any{src.peer.Org, n.system}, s.Keys.Indexes(numberDomain, n.value))
		ids, err := db.List(ctx, tx, db.Value[string], query, args...)
		if err != nil {
			return "", err
		}
		for _, id := range ids {
			if same, err := access.IsSame(ctx, tx, found, id); err != nil {
				return "", err
			} else if found != "" && !same {
				return "", hold(PersonDiffers, "PID", 3, "消息中的几个院内号属于不同的患者，需人工核实")
			}
			found = id
		}
	}
	return found, nil
}

// remember keeps the numbers under which the institution knows the person. A
// number that pointed at somebody else follows a person's decision only.
func (s *Service) remember(ctx context.Context, tx *db.Tx, src source, p said, id string) error {
	for _, n := range p.numbers {
		_, err := tx.Exec(ctx, `
			INSERT INTO exchange_person (org, system, number, patient, set_at, set_by) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (org, system, number) DO UPDATE SET patient = excluded.patient, set_at = excluded.set_at, set_by = excluded.set_by`,
			src.peer.Org, n.system, s.Keys.Index(numberDomain, n.value), id, db.At(tx.Now), src.by)
		if err != nil {
			return fmt.Errorf("remember number: %w", err)
		}
	}
	return nil
}

// joined asks whether two patients are one person in the master index: a
// message does not join them, people and the index do.
func (s *Service) joined(ctx context.Context, tx *db.Tx, a, b string) error {
	same, err := access.IsSame(ctx, tx, a, b)
	if err == nil && !same {
		err = hold(PersonDiffers, "MRG", 1, "要合并的两个患者号在主索引中是两位患者：请在患者主索引中核对并关联后重放")
	}
	return err
}

// holderOf finds the person whom somebody names by his identity card.
func (s *Service) holderOf(ctx context.Context, tx *db.Tx, card string) (string, error) {
	id, err := s.Patients.Identify(ctx, tx, card)
	if err != nil {
		var f errs.Form
		f.AddErr("card", err)
		return "", f.Err()
	}
	return id, nil
}
