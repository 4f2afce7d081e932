"""Linear models trained to their optimum against closed forms and scikit-learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nntrain.data.points import separable, two_moons
from nntrain.losses.cross_entropy import CrossEntropy
from nntrain.losses.margin import Hinge, SquaredHinge
from nntrain.losses.squared import Squared
from nntrain.models.linear import Linear
from nntrain.network import Network, head_for
from nntrain.regularizers import OnWeights
from nntrain.regularizers.weights import l2
from nntrain.specs import Classes, Targets, Values, Vector

DECAY = 0.02


def linear(features: int, targets: Targets) -> Network:
    torch.manual_seed(0)
    body = Linear(Vector(features))
    return Network(body, head_for(targets, body))


def objective_of(net: Network, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, t: Tensor, decay: float) -> Any:
    penalty = OnWeights(lambda: l2(weight=decay))
    penalty.bind(net)

    def objective() -> Tensor:
        value = penalty.penalty()
        assert value is not None
        return loss(net(x), t).sum() / len(x) + value

    return objective


def minimise(net: nn.Module, objective: Callable[[], Tensor]) -> None:
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = objective()
        value.backward()
        return value

    optimizer.step(closure)


def test_squared_error_ends_at_the_least_squares_solution() -> None:
    torch.manual_seed(1)
    x = torch.randn(50, 4)
    t = x @ torch.randn(4, 2) + 0.3 * torch.randn(50, 2) + 1
    net = linear(4, Values(("a", "b")))
    minimise(net, objective_of(net, Squared(Values(("a", "b"))), x, t, decay=0.0))
    solution = np.linalg.lstsq(np.hstack((x.numpy(), np.ones((50, 1)))), t.numpy(), rcond=None)[0]
    assert net.head.weight.detach().numpy() == pytest.approx(solution[:4].T, abs=1e-3)
    assert net.head.bias.detach().numpy() == pytest.approx(solution[4], abs=1e-3)


def moons() -> tuple[Tensor, Tensor]:
    source = two_moons(examples=100, noise=0.2)
    return source.train.inputs, source.train.targets


def difference(net: Network) -> list[float]:
    """Weights and bias of f = z_1 - z_0, the only thing that two classes depend on."""
    weight, bias = net.head.weight.detach(), net.head.bias.detach()
    return [*(weight[1] - weight[0]).tolist(), float(bias[1] - bias[0])]


# With two classes w_1 = -w_0 = w / 2 is best, and the penalty decay / 2 (|w_0|^2 + |w_1|^2) is decay / 4 |w|^2; so
# scikit-learn's objective |w|^2 / 2 + C sum_i loss_i is the same for C = 2 / (decay n).
def test_cross_entropy_ends_at_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression

    x, t = moons()
    net = linear(2, Classes(("a", "b")))
    minimise(net, objective_of(net, CrossEntropy(Classes(("a", "b"))), x, t, DECAY))
    other = LogisticRegression(C=2 / (DECAY * len(x)), tol=1e-10, max_iter=1000).fit(x.numpy(), t.numpy())
    assert difference(net) == pytest.approx([*other.coef_[0], *other.intercept_], abs=5e-3)


def test_softmax_of_three_classes_is_that_of_scikit_learn() -> None:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    raw, names = load_iris(), Classes(("a", "b", "c"))
    x, t = torch.tensor(raw.data, dtype=torch.float32), torch.tensor(raw.target)
    x = (x - x.mean(dim=0)) / x.std(dim=0)
    net = linear(4, names)
    minimise(net, objective_of(net, CrossEntropy(names), x, t, DECAY))
    other = LogisticRegression(C=1 / (DECAY * len(x)), tol=1e-10, max_iter=1000).fit(x.numpy(), t.numpy())
    assert net.head.weight.detach().numpy() == pytest.approx(other.coef_, abs=1e-2)


def test_squared_hinge_ends_at_the_support_vector_machine() -> None:
    from sklearn.svm import LinearSVC

    x, t = moons()
    net = linear(2, Classes(("a", "b")))
    minimise(net, objective_of(net, SquaredHinge(Classes(("a", "b"))), x, t, DECAY))
    machine = LinearSVC(C=2 / (DECAY * len(x)), intercept_scaling=1000, tol=1e-10, max_iter=100_000)
    machine.fit(x.numpy(), t.numpy())
    assert difference(net) == pytest.approx([*machine.coef_[0], *machine.intercept_], abs=2e-2)


def test_hinge_comes_to_the_support_vector_machine() -> None:
    """Its objective has corners: descent with a falling rate comes to within a hundredth of the optimum."""
    from sklearn.svm import SVC

    x, t = moons()
    net = linear(2, Classes(("a", "b")))
    objective = objective_of(net, Hinge(Classes(("a", "b"))), x, t, DECAY)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for step in range(1500):
        for group in optimizer.param_groups:
            group["lr"] = 0.5 / (1 + 0.05 * step)
        optimizer.zero_grad()
        objective().backward()
        optimizer.step()
    machine = SVC(kernel="linear", C=2 / (DECAY * len(x)), tol=1e-8).fit(x.numpy(), t.numpy())
    w, b = torch.tensor(machine.coef_[0]), float(machine.intercept_[0])
    margins = (2 * t - 1) * (x.double() @ w + b)
    best = DECAY / 4 * float(w.square().sum()) + float((1 - margins).clamp(min=0).mean())
    assert best * 0.9999 <= objective().item() <= best * 1.01


def test_a_support_vector_machine_separates_what_can_be_separated() -> None:
    source = separable(examples=100, features=3, margin=0.3)
    net = linear(3, Classes(("a", "b")))
    objective = objective_of(net, SquaredHinge(Classes(("a", "b"))), source.train.inputs, source.train.targets, 1e-4)
    minimise(net, objective)
    assert torch.equal(net(source.train.inputs).argmax(dim=1), source.train.targets)
