package definition

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
)

// The models in testdata were trained by Python's lightgbm (3.3.5 wrote v3,
// 4.7.0 the others) on drawn examples; beside each lie its own answers.
var boostedInputs = []string{"noise", "spent", "days_since", "purchases"} // not in the order of the columns

type answer struct {
	Inputs      []float64 // purchases, spent, days_since, noise
	Raw         float64
	Probability float64
}

func TestTreesAnswerAsPythonsLightGBM(t *testing.T) {
	for _, name := range []string{"lightgbm_v3", "lightgbm_v4", "lightgbm_sigmoid"} {
		model, answers := readModel(t, name)
		for _, a := range answers {
			inputs := []float64{a.Inputs[3], a.Inputs[1], a.Inputs[2], a.Inputs[0]}
			raw := model.Constant
			for i := range model.Trees {
				raw += walk(&model.Trees[i], inputs)
			}
			if probability := 1 / (1 + math.Exp(-model.Sigmoid*raw)); math.Abs(raw-a.Raw) > 1e-12 || math.Abs(probability-a.Probability) > 1e-12 {
				t.Errorf("%s %v: %v and %v, Python says %v and %v", name, a.Inputs, raw, probability, a.Raw, a.Probability)
			}
		}
	}
}

// The expected output of a node is what the examples of the training got on
// average, so that of the root comes from all leaves by their counts.
func TestExpectedOutputsAreMeansOfTheLeavesBelow(t *testing.T) {
	model, _ := readModel(t, "lightgbm_v4")
	for _, tree := range model.Trees {
		if len(tree.Expected) != len(tree.Left)+len(tree.Leaf) {
			t.Fatalf("%d expected outputs", len(tree.Expected))
		}
		low, high := math.Inf(1), math.Inf(-1)
		for _, leaf := range tree.Leaf {
			low, high = min(low, leaf), max(high, leaf)
		}
		for i, e := range tree.Expected {
			if e < low || e > high {
				t.Errorf("node %d expects %v, outside its leaves", i, e)
			}
		}
	}
	const root = (337*-0.75867906528901774 + 972*-0.83276590843925513 + 113*-0.58709505526027295 + 412*-0.53273154717450444 +
		818*-0.94674440040867081 + 138*-0.57719746004515038 + 210*-0.77456715286435995) / 3000
	if got := model.Trees[0].Expected[0]; math.Abs(got-root) > 1e-12 {
		t.Errorf("the root expects %v, want %v", got, root)
	}
}

func walk(t *Tree, inputs []float64) float64 {
	for node := 0; ; {
		next := t.Right[node]
		if inputs[t.Feature[node]] <= t.Threshold[node] {
			next = t.Left[node]
		}
		if next < 0 {
			return t.Leaf[-next-1]
		}
		node = next
	}
}

func readModel(t *testing.T, name string) (*Boosted, []answer) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	model, err := ReadLightGBM(string(text), boostedInputs)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var answers []answer
	if err := json.Unmarshal(content, &answers); err != nil || len(answers) < 20 {
		t.Fatalf("%d answers: %v", len(answers), err)
	}
	return model, answers
}

func TestAModelWithTreesIsADefinition(t *testing.T) {
	text, err := os.ReadFile("testdata/lightgbm_sigmoid.txt")
	if err != nil {
		t.Fatal(err)
	}
	p := plan(t, "kind: model\nname: m\nintercept: 0.5\ncalibration: {a: 2, b: -1}\ninputs:\n"+
		"  - {name: purchases, value: p.a, mean: 2}\n  - {name: spent, value: p.b}\n  - {name: days_since, value: p.c}\n  - {name: noise, value: p.d}\n"+
		"trees: |\n  "+strings.ReplaceAll(string(text), "\n", "\n  ")+"\n")
	m := p.Models[0]
	if len(m.Trees) != 4 || m.Intercept != 0.5 || math.Abs(m.Calibration.A-1.4) > 1e-15 || m.Calibration.B != -1 || m.Inputs[0].Mean != 2 {
		t.Errorf("%d trees, intercept %v, calibration %v", len(m.Trees), m.Intercept, m.Calibration)
	}
}

func TestTreesWithoutSplitsAreAConstant(t *testing.T) {
	model, err := ReadLightGBM("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nobjective=binary sigmoid:1\nfeature_names=noise\n\nTree=0\nnum_leaves=1\nnum_cat=0\nleaf_value=-1.5\n\nend of trees\n", boostedInputs)
	if err != nil || model.Constant != -1.5 || len(model.Trees) != 0 {
		t.Errorf("%+v, %v", model, err)
	}
}

func TestWhatTreesCannotSayIsRefused(t *testing.T) {
	content, err := os.ReadFile("testdata/lightgbm_v4.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for _, change := range []struct{ old, new, says string }{
		{"version=v4", "version=v5", "neither v3 nor v4"},
		{"num_class=1", "num_class=3", "num_class"},
		{"objective=binary sigmoid:1", "objective=regression", "objective"},
		{"objective=binary sigmoid:1", "objective=binary sigmoid:0", "sigmoid"},
		{"label_index=0", "average_output", "random forests"},
		{"feature_names=purchases", "feature_names=purchase", "did you mean `purchases`?"},
		{"num_cat=0", "num_cat=2", "categorical"},
		{"is_linear=0", "is_linear=1", "linear"},
		{"decision_type=2 2", "decision_type=2 3", "categorical"},
		{"decision_type=2 2", "decision_type=2 6", "zero as a missing value"},
		{"left_child=2", "left_child=0", "do not form a tree"},
		{"left_child=2", "left_child=1", "do not form a tree"},
		{"left_child=2", "left_child=77", "do not form a tree"},
		{"left_child=2", "left_child=-77", "do not form a tree"},
		{"split_feature=2", "split_feature=9", "none of the 4 features"},
		{"split_feature=2", "split_feature=-1", "none of the 4 features"},
		{"leaf_value=-0.75867906528901774", "leaf_value=NaN", "not a number"},
		{"threshold=116.50000000000001", "threshold=", "threshold has 5 values, not 6"},
		{"num_leaves=7", "num_leaves=99999999", "num_leaves"},
		{"end of trees", "", "cut off"},
	} {
		changed := strings.Replace(text, change.old, change.new, 1)
		if changed == text {
			t.Fatalf("%q is not in the model", change.old)
		}
		if _, err := ReadLightGBM(changed, boostedInputs); err == nil || !strings.Contains(err.Error(), change.says) {
			t.Errorf("with %q: %v, want something about %q", change.new, err, change.says)
		}
	}
}

func TestAModelThatIsCutOffIsRefused(t *testing.T) {
	content, err := os.ReadFile("testdata/lightgbm_v4.txt")
	if err != nil {
		t.Fatal(err)
	}
	end := strings.Index(string(content), "end of trees") + len("end of trees")
	for n := range end {
		if _, err := ReadLightGBM(string(content[:n]), boostedInputs); err == nil {
			t.Fatalf("the first %d bytes pass", n)
		}
	}
}
