package truth

import (
	"fmt"
	"math/rand/v2"

	"kairos/schemas"
)

// person is what is fixed about somebody.
type person struct {
	customer bool // has a customer number
	emails   []string
	phones   []phone
	devices  []device
}

// phone is a number from one day until before another.
type phone struct {
	number      string
	from, until int
}

// phone is one of the numbers that the person has on a day; empty: none.
func (p *person) phone(random *rand.Rand, day int) string {
	var now []string
	for _, f := range p.phones {
		if f.from <= day && day < f.until {
			now = append(now, f.number)
		}
	}
	if len(now) == 0 {
		return ""
	}
	return pick(random, now)
}

// device is one of a person's, of a family's, or of nobody.
type device struct {
	id     string
	login  int // the day before which nobody logs in on it
	public bool
}

func kiosk(number int) device { return device{id: fmt.Sprintf("kiosk-%d", number), public: true} }

func (d device) name() name {
	return name{schemas.Identifier{Namespace: "device_id", Value: d.id}, !d.public}
}

// forgets is after how many days a browser is somebody new.
const forgets = 120

func (d device) browser(day int) name {
	return name{schemas.Identifier{Namespace: "anonymous_id", Value: fmt.Sprintf("%s-%d", d.id, (day+len(d.id)*17)/forgets)}, !d.public}
}

// settle makes the people: family by family, then the numbers that change
// hands between them.
func (p *Population) settle(random *rand.Rand) {
	for first := 0; first < len(p.people); {
		size := min(pick(random, []int{1, 1, 1, 2, 2, 2, 3, 4, 4, 5}), len(p.people)-first)
		family := p.people[first : first+size]
		for i := range family {
			p.born(random, &family[i], first+i)
		}
		if size > 1 {
			p.share(random, family, first)
		}
		first += size
	}
	for range len(p.people) / 40 {
		p.recycle(random)
	}
	for i := range p.people {
		for _, e := range p.people[i].emails {
			p.taken[e] = true
		}
		for _, f := range p.people[i].phones {
			p.taken[f.number] = true
		}
	}
}

var (
	forenames = []string{"anna", "bruno", "carla", "david", "elena", "felix", "greta", "hugo", "irene", "jonas", "karin", "louis", "marta", "nils", "olga", "pablo"}
	surnames  = []string{"arnold", "becker", "costa", "dupont", "evans", "fischer", "garcia", "hansen", "ivanov", "jensen", "keller", "lopez", "martin", "novak", "olsen", "petit"}
)

func (p *Population) born(random *rand.Rand, who *person, number int) {
	who.customer = random.Float64() < 0.5
	a, b, n := number%16, number/16%16, number/256
	who.emails = []string{fmt.Sprintf("%s.%s%d@example.org", forenames[a], surnames[b], n)}
	if random.Float64() < 0.25 {
		who.emails = append(who.emails, fmt.Sprintf("%s.%s%d@work.example", forenames[a], surnames[b], n))
	}
	if random.Float64() < 0.7 {
		who.phones = []phone{{fmt.Sprintf("+3361%07d", number), 0, Days}}
	}
	for k := range 1 + min(random.IntN(3), random.IntN(3)) {
		who.devices = append(who.devices, device{id: fmt.Sprintf("d%d-%d", number, k), login: random.IntN(Days / 3)})
	}
}

// share gives a family what all of it uses.
func (p *Population) share(random *rand.Rand, family []person, number int) {
	if random.Float64() < 0.5 {
		tablet := device{id: fmt.Sprintf("family%d", number), login: random.IntN(Days / 3)}
		for i := range family {
			family[i].devices = append(family[i].devices, tablet)
		}
	}
	if random.Float64() < 0.3 {
		landline := phone{fmt.Sprintf("+3315%07d", number), 0, Days}
		for i := range family {
			family[i].phones = append(family[i].phones, landline)
		}
	}
}

// recycle lets somebody give a mobile number up, which another person gets
// after a while.
func (p *Population) recycle(random *rand.Rand) {
	from, to := &p.people[random.IntN(len(p.people))], &p.people[random.IntN(len(p.people))]
	if from == to || len(from.phones) == 0 || from.phones[0].until < Days {
		return
	}
	given := 30 + random.IntN(Days/2)
	from.phones[0].until = given
	to.phones = append(to.phones, phone{from.phones[0].number, given + 60, Days})
}

// slip changes one character: a digit into its neighbour, so that it may well
// be somebody else's address or number; or a letter is left out.
func slip(random *rand.Rand, value string) string {
	i := 1 + random.IntN(len(value)-1)
	for value[i] == '@' || value[i] == '.' {
		i = 1 + random.IntN(len(value)-1)
	}
	if c := value[i]; '0' <= c && c <= '9' {
		return value[:i] + string('0'+(c-'0'+1)%10) + value[i+1:]
	}
	return value[:i] + value[i+1:]
}
