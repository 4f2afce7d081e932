"""The perceptron: its rule, its bound on mistakes, and linear models against closed forms."""

import torch

from nntrain.data.points import separable
from nntrain.losses.margin import PerceptronCriterion
from nntrain.models.perceptron import Perceptron
from nntrain.network import Network, head_for
from nntrain.specs import Classes, Vector
from nntrain.tasks.perceptron import perceptron

PAIR = Classes(("a", "b"))


def unit(features: int, targets: Classes = PAIR) -> Network:
    body = Perceptron(Vector(features))
    return Network(body, head_for(targets, body))


def test_a_perceptron_starts_from_zero_weights() -> None:
    net = unit(3)
    assert all(bool((p == 0).all()) for p in net.parameters())


def test_mistakes_stay_within_the_bound() -> None:
    """Novikoff's theorem, for inputs with a 1 added for the bias: at most (R / gamma)^2 mistakes."""
    for seed in range(3):
        source = separable(examples=100, features=3, margin=0.2, seed=seed)
        points, labels = source.train.inputs, source.train.targets
        net, loss = unit(3), PerceptronCriterion(PAIR)
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        mistakes, last = 0, -1
        for step in range(100 * 1000):
            x, y = points[step % 100 : step % 100 + 1], labels[step % 100 : step % 100 + 1]
            outputs = net(x)
            if int(outputs.argmax()) != int(y):
                mistakes, last = mistakes + 1, step
            optimizer.zero_grad()
            loss(outputs, y).sum().backward()
            optimizer.step()
            if step - last > 100:
                break
        assert step - last > 100, "a whole pass without mistakes"
        assert 0 < mistakes <= bound(points, labels)


def bound(points: torch.Tensor, labels: torch.Tensor) -> float:
    """(R / gamma)^2, with the margin of a hyperplane that a support vector machine finds."""
    from sklearn.svm import SVC

    machine = SVC(kernel="linear", C=1e6).fit(points.numpy(), labels.numpy())
    weights = torch.tensor([*machine.coef_[0], *machine.intercept_], dtype=torch.float64)
    extended = torch.cat((points.double(), torch.ones(len(points), 1)), dim=1)
    margin = ((2 * labels - 1) * (extended @ weights)).min() / weights.norm()
    assert margin > 0
    return float((extended.norm(dim=1).max() / margin) ** 2)


def test_the_task_is_classification_by_the_perceptron_rule() -> None:
    task = perceptron(PAIR)
    assert task.metrics[0] == "error_rate"
    assert task.untrained_loss() is None
    net = unit(2)
    from nntrain.batch import Batch

    batch = Batch(torch.tensor([[1.0, 2.0], [3.0, -1.0]]), torch.tensor([1, 0]))
    loss = task.objectives[0].loss(task.outputs(net, batch), batch)["loss"].sum
    gradient = torch.autograd.grad(loss, net.head.weight)[0]
    assert gradient.tolist() == [[1, 2], [-1, -2]]
