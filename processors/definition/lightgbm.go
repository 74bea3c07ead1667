package definition

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// The text model of LightGBM is what Booster.save_model and model_to_string
// write (src/boosting/gbdt_model_text.cpp and src/io/tree.cpp of its source):
// a head of lines `key=value`, then per tree a block that starts with
// `Tree=<n>`, then the line `end of trees`. Versions v3 and v4 differ in
// nothing that is read here.

// Boosted is what a text model of LightGBM says.
type Boosted struct {
	Trees    []Tree
	Constant float64 // of trees without a split
	Sigmoid  float64 // log-odds count times this
}

// TreeError says what is wrong with a text model, and in which of its lines.
type TreeError struct {
	Line    int
	Message string
}

// Error is the message with its line.
func (e *TreeError) Error() string {
	return fmt.Sprintf("line %d of the LightGBM model: %s", e.Line, e.Message)
}

const (
	mostLeaves = 1 << 16 // of one tree
	mostTrees  = 1 << 14
)

// ReadLightGBM reads a text model for binary classification. Inputs are the
// names of the model's inputs, to which LightGBM's names of features refer. It
// refuses what kairos does not compute: categorical splits, linear leaves,
// several classes, random forests, zero as a missing value.
func ReadLightGBM(text string, inputs []string) (*Boosted, error) {
	r := &treeReader{lines: strings.Split(text, "\n")}
	head := r.block(func(line string) bool { return strings.HasPrefix(line, "Tree=") || line == "end of trees" })
	model := &Boosted{}
	columns, err := r.head(head, model, inputs)
	if err != nil {
		return nil, err
	}
	for r.at < len(r.lines) && strings.HasPrefix(r.line(), "Tree=") {
		if len(model.Trees) >= mostTrees {
			return nil, r.wrong(r.at, "there are more than %d trees", mostTrees)
		}
		r.at++
		block := r.block(func(line string) bool { return strings.HasPrefix(line, "Tree=") || line == "end of trees" })
		if err := r.tree(block, model, columns); err != nil {
			return nil, err
		}
	}
	if r.at >= len(r.lines) || r.line() != "end of trees" {
		return nil, r.wrong(len(r.lines)-1, "the line `end of trees` is missing: the text is cut off")
	}
	if len(model.Trees) == 0 && model.Constant == 0 {
		return nil, r.wrong(r.at, "there are no trees")
	}
	return model, nil
}

type treeReader struct {
	lines []string
	at    int
}

// block is a run of lines key=value, and where they are.
type block struct {
	start  int
	values map[string]string
	lines  map[string]int
}

func (r *treeReader) line() string { return strings.TrimSpace(r.lines[r.at]) }

func (r *treeReader) block(ends func(line string) bool) block {
	b := block{r.at, map[string]string{}, map[string]int{}}
	for ; r.at < len(r.lines) && !ends(r.line()); r.at++ {
		key, value, _ := strings.Cut(r.line(), "=")
		b.values[key], b.lines[key] = value, r.at
	}
	return b
}

func (r *treeReader) wrong(line int, format string, arguments ...any) *TreeError {
	return &TreeError{line + 1, fmt.Sprintf(format, arguments...)}
}

// head reads what comes before the trees and returns the input of each column.
func (r *treeReader) head(b block, model *Boosted, inputs []string) ([]int, error) {
	is := func(key, wanted string) error {
		if b.values[key] != wanted {
			return r.wrong(b.lines[key], "%s is %q, not %q", key, b.values[key], wanted)
		}
		return nil
	}
	if v := b.values["version"]; v != "v3" && v != "v4" {
		return nil, r.wrong(b.lines["version"], "version %q is neither v3 nor v4", v)
	}
	for _, key := range []string{"num_class", "num_tree_per_iteration"} {
		if err := is(key, "1"); err != nil {
			return nil, err
		}
	}
	if _, forest := b.values["average_output"]; forest {
		return nil, r.wrong(b.lines["average_output"], "random forests are not supported; train with boosting=gbdt")
	}
	objective := strings.Fields(b.values["objective"])
	if len(objective) == 0 || objective[0] != "binary" && objective[0] != "cross_entropy" {
		return nil, r.wrong(b.lines["objective"], "objective %q is neither binary nor cross_entropy", b.values["objective"])
	}
	model.Sigmoid = 1
	for _, word := range objective[1:] {
		if text, ok := strings.CutPrefix(word, "sigmoid:"); ok {
			x, err := strconv.ParseFloat(text, 64)
			if err != nil || !(x > 0) || math.IsInf(x, 0) {
				return nil, r.wrong(b.lines["objective"], "sigmoid %q is not a number above zero", text)
			}
			model.Sigmoid = x
		}
	}
	var columns []int
	for _, name := range strings.Fields(b.values["feature_names"]) {
		i := slices.Index(inputs, name)
		if i < 0 {
			return nil, r.wrong(b.lines["feature_names"], "feature %q is not an input of the model; %s", name, suggest(name, inputs))
		}
		columns = append(columns, i)
	}
	return columns, nil
}

// tree reads one tree.
func (r *treeReader) tree(b block, model *Boosted, columns []int) error {
	n, err := strconv.Atoi(b.values["num_leaves"])
	switch {
	case err != nil || n < 1 || n > mostLeaves:
		return r.wrong(b.start, "num_leaves %q is not a number from 1 to %d", b.values["num_leaves"], mostLeaves)
	case b.values["num_cat"] != "" && b.values["num_cat"] != "0":
		return r.wrong(b.lines["num_cat"], "categorical splits are not supported; encode the categories as numbers")
	case b.values["is_linear"] == "1":
		return r.wrong(b.lines["is_linear"], "linear leaves are not supported; train with linear_tree=false")
	}
	var t Tree
	if t.Leaf, err = r.numbers(b, "leaf_value", n); err != nil {
		return err
	}
	if n == 1 {
		model.Constant += t.Leaf[0]
		return nil
	}
	if err := r.splits(b, &t, n-1, columns); err != nil {
		return err
	}
	counts, err := r.integers(b, "leaf_count", n)
	if err != nil {
		return err
	}
	if !t.expect(counts) {
		return r.wrong(b.lines["left_child"], "the children do not form a tree")
	}
	model.Trees = append(model.Trees, t)
	return nil
}

// splits reads the n nodes of a tree.
func (r *treeReader) splits(b block, t *Tree, n int, columns []int) (err error) {
	if t.Threshold, err = r.numbers(b, "threshold", n); err != nil {
		return err
	}
	var features, decisions []int
	for _, column := range []struct {
		key  string
		into *[]int
	}{{"split_feature", &features}, {"decision_type", &decisions}, {"left_child", &t.Left}, {"right_child", &t.Right}} {
		if *column.into, err = r.integers(b, column.key, n); err != nil {
			return err
		}
	}
	for i, f := range features {
		if f < 0 || f >= len(columns) {
			return r.wrong(b.lines["split_feature"], "feature %d is none of the %d features", f, len(columns))
		}
		t.Feature = append(t.Feature, columns[f])
		const categorical, missing, zeroIsMissing = 1, 3 << 2, 1 << 2
		if decisions[i]&categorical != 0 {
			return r.wrong(b.lines["decision_type"], "categorical splits are not supported; encode the categories as numbers")
		}
		if decisions[i]&missing == zeroIsMissing {
			return r.wrong(b.lines["decision_type"], "zero as a missing value is not supported; train with zero_as_missing=false")
		}
	}
	return nil
}

func (r *treeReader) numbers(b block, key string, n int) ([]float64, error) {
	words := strings.Fields(b.values[key])
	if len(words) != n {
		return nil, r.wrong(max(b.lines[key], b.start), "%s has %d values, not %d", key, len(words), n)
	}
	numbers := make([]float64, n)
	for i, word := range words {
		x, err := strconv.ParseFloat(word, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) && key != "threshold" {
			return nil, r.wrong(b.lines[key], "%s holds %q, which is not a number", key, word)
		}
		numbers[i] = x
	}
	return numbers, nil
}

func (r *treeReader) integers(b block, key string, n int) ([]int, error) {
	words := strings.Fields(b.values[key])
	if len(words) != n {
		return nil, r.wrong(max(b.lines[key], b.start), "%s has %d values, not %d", key, len(words), n)
	}
	integers := make([]int, n)
	for i, word := range words {
		x, err := strconv.ParseInt(word, 10, 64)
		if err != nil || x != int64(int(x)) {
			return nil, r.wrong(b.lines[key], "%s holds %q, which is not a whole number", key, word)
		}
		integers[i] = int(x)
	}
	return integers, nil
}

// expect fills in the mean outputs, weighted by how many examples of the
// training reached each leaf. It reports whether the children form a tree:
// every node and every leaf but the root is the child of one node, and a
// child comes after its parent.
func (t *Tree) expect(counts []int) bool {
	nodes := len(t.Left)
	t.Expected = make([]float64, nodes+len(t.Leaf))
	weights := make([]float64, len(t.Expected))
	parents := make([]int, len(t.Expected))
	index := func(child int) int {
		if child < 0 {
			return nodes - child - 1
		}
		return child
	}
	for k, v := range t.Leaf {
		t.Expected[nodes+k], weights[nodes+k] = v, float64(max(counts[k], 0))
	}
	for i := nodes - 1; i >= 0; i-- {
		for _, child := range []int{t.Left[i], t.Right[i]} {
			if child >= nodes || child < -len(t.Leaf) || child >= 0 && child <= i {
				return false
			}
			parents[index(child)]++
			weights[i] += weights[index(child)]
			t.Expected[i] += weights[index(child)] * t.Expected[index(child)]
		}
		if weights[i] > 0 {
			t.Expected[i] /= weights[i]
		}
	}
	for i, n := range parents {
		if i > 0 && n != 1 {
			return false
		}
	}
	return parents[0] == 0
}
