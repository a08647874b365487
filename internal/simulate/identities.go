package simulate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/pinyin"
)

// zhushan is the centre whose twins and namesakes the master index meets.
const zhushan = "珠山镇中心卫生院"

// identities are what the hospital's own system stated about residents in the
// last days: what was certain, what the model linked, what it left to a human,
// and what fits nobody.
func (s *simulation) identities(ctx context.Context) error {
	list := s.folk.byCentre[zhushan]
	adults := make([]patient.Entry, 0, len(list))
	for _, e := range list {
		if e.IDNumber != "" && e.Phone != "" && e.BirthDate < "2004" && len([]rune(e.Name)) == 3 {
			adults = append(adults, e)
		}
	}
	if len(adults) < 12 {
		return fmt.Errorf("%s has %d adults to state, 12 are needed", zhushan, len(adults))
	}
	for i, st := range append(s.fitting(adults), s.doubtful(adults)...) {
		st.Source, st.Number = s.staff.orgs[fourth].ID, fmt.Sprintf("%08d", 26110301+i)
		s.at(s.now.Add(-time.Duration(40-i) * time.Hour))
		err := s.app.DB.Tx(ctx, func(tx *db.Tx) error {
			_, err := s.app.Index.Attach(ctx, tx, audit.Program("医院信息系统"), st)
			return err
		})
		if err != nil {
			return err
		}
	}
	s.at(s.now)
	return nil
}

// stated is what a desk that reads the card states.
func stated(e patient.Entry) index.Stated {
	return index.Stated{Statement: patient.Statement{Name: e.Name, Sex: e.Sex, BirthDate: string(e.BirthDate), IDType: patient.IDCard,
		IDNumber: e.IDNumber, Phone: e.Phone, Address: e.Address, Region: e.Region}}
}

// without is the same from somebody who has left the card at home.
func without(e patient.Entry) index.Stated {
	st := stated(e)
	st.IDType, st.IDNumber = "", ""
	return st
}

// fitting are statements that the index places by itself.
func (s *simulation) fitting(list []patient.Entry) []index.Stated {
	moved := without(list[2]) // no card, a new address in the village
	moved.Address = "9组31号"
	typo := stated(list[3]) // a digit of the card wrong
	typo.IDNumber = typo.IDNumber[:16] + string('0'+(typo.IDNumber[16]-'0'+4)%10) + typo.IDNumber[17:]
	letters := stated(list[4]) // a system that keeps names in letters
	letters.Name = strings.ToUpper(pinyin.Spellings(list[4].Name)[0].Full)
	return []index.Stated{stated(list[0]), stated(list[1]), without(list[1]), moved, typo, letters}
}

// doubtful are statements that a human has to look at.
func (s *simulation) doubtful(list []patient.Entry) []index.Stated {
	runes := func(name string) []rune { return []rune(name) }
	twin := without(list[5]) // same day, phone and house, another given name
	name := runes(list[5].Name)
	twin.Name = string(name[:2]) + "琳"
	if twin.Name == list[5].Name {
		twin.Name = string(name[:2]) + "燕"
	}
	namesake := without(list[6]) // the same name in the same village, a year apart, another phone
	namesake.BirthDate = string(list[6].BirthDate.AddDays(-365))
	namesake.Phone, namesake.Address = "13800007766", ""
	child := without(list[7]) // the mother's phone and house under the child's name, as the mother gave them
	child.Name, child.Sex = string(runes(list[7].Name)[:1])+"欣怡", patient.Female
	child.BirthDate = string(list[7].BirthDate)
	phoneless := without(list[8]) // name and birth date only
	phoneless.Phone, phoneless.Address, phoneless.Region = "13800006655", "", ""
	borrowed := stated(list[9]) // the card of one, the name of another
	borrowed.Name, borrowed.Object, borrowed.ObjectID = "周大勇", "hl7", "demo-borrowed"
	few := index.Stated{Statement: patient.Statement{Name: "陈师傅"}, Object: "file", ObjectID: "demo-few"}
	wrong := index.Stated{Object: "hl7", ObjectID: "demo-wrong", Statement: patient.Statement{Name: "欧阳建新", Sex: patient.Male, BirthDate: "1971-02-14",
		IDType: patient.IDCard, IDNumber: idcard.Make("431102", "1971-02-14", 11)[:17] + "0", Phone: "13800005544"}}
	if _, err := idcard.Parse(wrong.IDNumber); err == nil {
		wrong.IDNumber = wrong.IDNumber[:17] + "1"
	}
	open := index.Stated{Object: "hl7", ObjectID: "demo-open", Statement: patient.Statement{Name: "黎小妹", Phone: "13800004433"}}
	return []index.Stated{twin, namesake, child, phoneless, borrowed, few, wrong, open}
}
