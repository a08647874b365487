package record

// valueKind is how a value is compared.
type valueKind uint8

const (
	tokenValue valueKind = iota
	stringValue
	referenceValue
	dateValue
	numberValue
	quantityValue
	uriValue
)

// value is one search value of a document.
type value struct {
	param string
	kind  valueKind

	system, code string // token, unit of a quantity, identifier of a reference
	display      string // of a token
	typeSystem   string // of an identifier
	typeCode     string
	secret       bool   // identifier or phone number
	text         string // string, reference as Type/id, uri
	name         bool   // of a person
	low, high    int64  // date, milliseconds, both inclusive
	from, to     float64
}

func valuesOf(doc document) ([]value, error) { return nil, nil }
