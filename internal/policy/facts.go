package policy

// Facts are what a document states as fact. Every row names its clause.
type Facts struct {
	Institutions []Institution
	Alliances    []Alliance
	Memberships  []Membership
	Supports     []Support
	Ties         []Tie
	Bodies       []Body
	Phases       []Phase
}

// Institution is an institution that a document names.
type Institution struct {
	ID        string   `toml:"id"`         // our short name inside the profile
	Name      string   `toml:"name"`       // full name
	AsWritten []string `toml:"as_written"` // other spellings in the document
	Kind      string   `toml:"kind"`       // county_hospital, township_centre, …
	Level     string   `toml:"level"`      // province, city, county, township, community
	Region    string   `toml:"region"`     // region code
	Grade     string   `toml:"grade"`      // 三级, 二级甲等; empty when the document does not say
	Clause    string   `toml:"clause"`
	Note      string   `toml:"note"`
	Profile   string   `toml:"-"`
}

// Alliance is an alliance that a document names.
type Alliance struct {
	ID          string   `toml:"id"`
	Name        string   `toml:"name"`
	Kind        string   `toml:"kind"` // one of the six kinds
	Lead        string   `toml:"lead"` // institution id
	Specialties []string `toml:"specialties"`
	Region      string   `toml:"region"`
	From        string   `toml:"from"`
	Clause      string   `toml:"clause"`
	Note        string   `toml:"note"`
	Profile     string   `toml:"-"`
}

// Membership says who belongs to which alliance in which role.
type Membership struct {
	Alliance string `toml:"alliance"`
	Member   string `toml:"member"`
	Role     string `toml:"role"`  // lead, member, link
	Plate    string `toml:"plate"` // the plate that is added, empty when none
	From     string `toml:"from"`
	To       string `toml:"to"`
	Clause   string `toml:"clause"`
	Profile  string `toml:"-"`
}

// Support says which institution builds up which other one (对口建设).
type Support struct {
	Supporter string `toml:"supporter"`
	Supported string `toml:"supported"`
	Focus     string `toml:"focus"`
	From      string `toml:"from"`
	To        string `toml:"to"`
	Clause    string `toml:"clause"`
	Profile   string `toml:"-"`
}

// Tie links an institution upwards to another one, or to the regions that it
// is in touch with.
type Tie struct {
	Institution string   `toml:"institution"`
	With        string   `toml:"with"`    // name of the other side, empty for regions
	As          string   `toml:"as"`      // what the tie is called in the document
	Regions     []string `toml:"regions"` // region codes
	Clause      string   `toml:"clause"`
	Profile     string   `toml:"-"`
}

// Body is an organ that a document sets up: council, office, leading group.
type Body struct {
	ID      string `toml:"id"`
	Name    string `toml:"name"`
	Kind    string `toml:"kind"` // council, office, leading_group, leading_group_office, joint_conference, committee, party_committee
	Posts   []Post `toml:"posts"`
	Clause  string `toml:"clause"`
	Note    string `toml:"note"`
	Profile string `toml:"-"`
}

// Post is a seat in a body, named by office and never by person.
type Post struct {
	Title  string `toml:"title"`   // 组长
	HeldBy string `toml:"held_by"` // 区卫生健康局局长
	Min    int    `toml:"min"`
	Max    int    `toml:"max"`
}

// Phase is a dated step of carrying a document out.
type Phase struct {
	Name    string `toml:"name"`
	From    string `toml:"from"`
	To      string `toml:"to"`
	Region  string `toml:"region"`
	Content string `toml:"content"`
	Clause  string `toml:"clause"`
	Profile string `toml:"-"`
}

func gather[T any](b *Book, pick func(Facts) []T) []T {
	var out []T
	for _, p := range b.now().profiles {
		out = append(out, pick(p.facts)...)
	}
	return out
}

// Institutions returns the institutions that all documents name.
func (b *Book) Institutions() []Institution {
	return gather(b, func(f Facts) []Institution { return f.Institutions })
}

// Alliances returns the alliances that all documents name.
func (b *Book) Alliances() []Alliance {
	return gather(b, func(f Facts) []Alliance { return f.Alliances })
}

// Memberships returns the memberships that all documents state.
func (b *Book) Memberships() []Membership {
	return gather(b, func(f Facts) []Membership { return f.Memberships })
}

// Supports returns the support pairings that all documents state.
func (b *Book) Supports() []Support {
	return gather(b, func(f Facts) []Support { return f.Supports })
}

// Name returns the full name of an institution of these facts, or the id when
// there is none such.
func (f Facts) Name(id string) string {
	for _, i := range f.Institutions {
		if i.ID == id {
			return i.Name
		}
	}
	return id
}
