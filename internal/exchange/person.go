package exchange

import (
	"cmp"
	"context"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange/hl7"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
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

// sayings is a statement for the master index, one for each number under which
// the institution knows the person; the first is the one that it attaches by.
// Numbers are the institution's own, whatever authority is named.
func (src source) sayings(p said) []index.Stated {
	st := index.Stated{Statement: patient.Statement{Name: p.name, Sex: p.sex, BirthDate: p.birth, Phone: p.phone, Address: p.address, Region: p.region},
		Source: src.peer.Org, Object: src.object, ObjectID: src.ref}
	if p.card != "" {
		st.IDType, st.IDNumber = patient.IDCard, p.card
	}
	if src.object == "" {
		st.ObjectID = ""
	}
	out := []index.Stated{}
	for _, n := range p.numbers {
		x := st
		if x.Number = n.value; n.system != "" {
			x.System = src.peer.Org + "/" + n.system
		}
		out = append(out, x)
	}
	if len(out) == 0 {
		out = append(out, st)
	}
	return out
}

// identify finds who a message is about, or enters a person that nobody knows:
// the master index decides, on two identifiers at least. What does not fit
// waits for a person to decide, here and in the queue of the index.
func (s *Service) identify(ctx context.Context, tx *db.Tx, src source, p said) (string, error) {
	if p.birth > string(calendar.DateOf(tx.Now)) {
		return "", fault(BadValue, hl7.DataType, "PID", 7, "PID-7 出生日期 %s 晚于今天", p.birth)
	}
	list := src.sayings(p)
	if err := s.knownFirst(ctx, tx, p, list); err != nil {
		return "", err
	}
	a, err := s.attach(ctx, tx, src, p, list[0])
	if err != nil {
		return "", err
	}
	if src.ident != nil {
		*src.ident = a.Identity
	}
	for _, st := range list[1:] {
		other, err := s.Index.Also(ctx, tx, src.actor(), st, a.Patient)
		if err != nil {
			return "", err
		}
		if other != "" && src.assigned == "" {
			return "", hold(PersonDiffers, p.at, p.field, "消息中的几个院内号属于不同的患者，需人工核实")
		}
	}
	return a.Patient, nil
}

// knownFirst brings a number that is known to the front; two that stand for two
// persons are for people to decide.
func (s *Service) knownFirst(ctx context.Context, tx *db.Tx, p said, list []index.Stated) error {
	found := ""
	for i, st := range list {
		who, err := s.Index.ByNumber(ctx, tx, st)
		if err != nil {
			return err
		}
		if who == "" {
			continue
		}
		if found == "" {
			found, list[0], list[i] = who, list[i], list[0]
			continue
		}
		if same, err := access.IsSame(ctx, tx, found, who); err != nil {
			return err
		} else if !same {
			return hold(PersonDiffers, p.at, p.field, "消息中的几个院内号属于不同的患者，需人工核实")
		}
	}
	return nil
}

func (s *Service) attach(ctx context.Context, tx *db.Tx, src source, p said, st index.Stated) (index.Attachment, error) {
	switch {
	case src.placed:
		return index.Attachment{Patient: src.assigned, Identity: *src.ident}, nil
	case src.assigned == NewPerson:
		return s.decided(ctx, tx, src, p, st, index.Place{Decision: index.Registered})
	case src.assigned != "":
		return s.decided(ctx, tx, src, p, st, index.Place{Decision: index.Attached, Patient: src.assigned})
	}
	d, err := s.Index.Match(ctx, tx, st)
	if err != nil {
		return index.Attachment{}, err
	}
	if d.Outcome == index.Unmatched {
		return index.Attachment{}, s.unmatched(src, p, st, d)
	}
	return s.Index.Attach(ctx, tx, src.actor(), st)
}

// decided carries out what somebody has said about a waiting message. What the
// message does not say keeps it waiting.
func (s *Service) decided(ctx context.Context, tx *db.Tx, src source, p said, st index.Stated, place index.Place) (index.Attachment, error) {
	a, err := s.Index.PlaceTx(ctx, tx, src.actor(), st, place)
	if errs.Is(err, errs.Invalid) {
		return a, hold(PersonUnknown, p.at, p.field, "%s", err)
	}
	return a, err
}

// unmatched keeps a message whose person is not safe. The statement waits in the
// master index too, once what was done of the message is undone.
func (s *Service) unmatched(src source, p said, st index.Stated, d index.Decision) error {
	reason := PersonUnknown
	if d.Reason == index.NumberName || d.Reason == index.NumberCard || d.Reason == index.CardName {
		reason = PersonDiffers
	}
	held := hold(reason, p.at, p.field, "%s%s", d.Reason.Title(), p.lacks(d.Reason))
	if st.Object != "" {
		stop(held).then = func(ctx context.Context, tx *db.Tx) error {
			_, err := s.Index.Attach(ctx, tx, src.actor(), st)
			return err
		}
	}
	return held
}

// lacks names what the source would have to say for a person to be safe.
func (p said) lacks(r index.Reason) string {
	if r != index.TooFew && r != index.Incomplete {
		return ""
	}
	var out []string
	for _, x := range []struct{ title, value string }{{"姓名", p.name}, {"性别", strings.Trim(p.sex, "09")}, {"出生日期", p.birth}, {"身份证号", p.card}} {
		if x.value == "" {
			out = append(out, x.title)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "（来源未写明：" + strings.Join(out, "、") + "）"
}

// through notes that something came in through the identity of its person, so
// that it goes along when that turns out to be another's.
func (src source) through(ctx context.Context, tx *db.Tx, kind, id string) error {
	if src.ident == nil || *src.ident == "" {
		return nil
	}
	return index.Through(ctx, tx, *src.ident, index.Object{Kind: kind, ID: id})
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

// byCard finds the holder of the identity card, if the number can be right.
func (s *Service) byCard(ctx context.Context, tx *db.Tx, p said) (string, error) {
	if _, err := idcard.ParseOn(p.card, string(calendar.DateOf(tx.Now))); err != nil {
		return "", hold(PersonUnknown, p.at, p.field, "身份证号校验不通过：%v", err)
	}
	return s.Patients.HolderOf(ctx, tx, patient.IDCard, p.card)
}

// agrees asks for the name beside an identity card.
func (s *Service) agrees(ctx context.Context, tx *db.Tx, id string, p said) (bool, error) {
	briefs, err := patient.Briefs(ctx, tx, []string{id})
	return err == nil && p.name != "" && plain(briefs[id].Name) == plain(p.name), err
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
