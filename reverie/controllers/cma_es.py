"""CMA-ES whose every generation is on disk."""

import json
from pathlib import Path

import h5py
import numpy as np

from reverie.artifacts import UNREADABLE, InputError
from reverie.hdf5 import atomic_hdf5
from reverie.seeds import seed_32


class CMAES:
    """Searches for the parameters with the highest fitness (CMA-ES, Hansen, from `cma`).

    The search is a function of its seed and of the fitness values, so those are what is saved after
    every generation: a few kilobytes that hold no code, where pycma's own state is a pickle of
    megabytes. To continue, the generations are drawn again and get the saved values, which takes a
    few hundredths of a second each and restores mean, covariance, step size and random state.

    Args:
        path: the file that continues the search.
        size: number of parameters P.
        population: candidates a generation.
        sigma: initial standard deviation.
        seed: decides every draw; any number from 0.
        fitness: what else decides it, in JSON's types: a search is not continued with another.
        start: around which parameters `(P,)` it begins instead of zero.
    """

    def __init__(
        self,
        path: Path,
        size: int,
        population: int,
        sigma: float,
        seed: int,
        fitness: dict | None = None,
        start: np.ndarray | None = None,
    ) -> None:
        import cma  # takes seconds, which every game worker would spend again

        self.path = Path(path)
        self.settings = {"size": size, "population": population, "sigma": sigma, "seed": seed}
        self.settings |= fitness or {}
        self._random = np.random.RandomState(seed_32(seed))
        options = {
            "popsize": population,
            "randn": self._random.randn,
            "seed": np.nan,  # draw from `randn` and leave NumPy's global generator alone
            "verbose": -9,
            "tolfun": 0,
            "tolx": 0,
            "tolfunhist": 0,
            "tolstagnation": 10**9,
            "tolflatfitness": 10**9,
        }
        start = np.zeros(size) if start is None else np.asarray(start, float)
        self._search = cma.CMAEvolutionStrategy(start, sigma, options)
        self.fitness: list[np.ndarray] = []

    @property
    def generation(self) -> int:
        """Generations that are finished."""
        return len(self.fitness)

    @property
    def mean(self) -> np.ndarray:
        """The centre of the search, `(P,)`: less lucky than the best candidate seen."""
        return np.asarray(self._search.mean)

    @property
    def sigma(self) -> float:
        """The present step size."""
        return float(self._search.sigma)

    def ask(self) -> np.ndarray:
        """Draw the candidates of a generation: `(population, P)`."""
        self._asked = self._search.ask()
        return np.stack(self._asked)

    def tell(self, fitness: np.ndarray) -> None:
        """Move the search towards candidates of high fitness `(population,)`."""
        self._search.tell(self._asked, list(-np.asarray(fitness, float)))
        self.fitness.append(np.asarray(fitness, float))

    def save(self) -> None:
        """Write what continues the search, atomically."""
        with atomic_hdf5(self.path) as file:
            file.attrs["settings"] = json.dumps(self.settings)
            file["fitness"] = np.stack(self.fitness)
            file["mean"] = self.mean

    def resume(self) -> bool:
        """Continue from the file if there is one; tell whether there was.

        Raises:
            InputError: the file is damaged or of a search with other settings.
        """
        if not self.path.exists():
            return False
        mend = "add --new_model to start afresh"
        try:
            with h5py.File(self.path, "r") as file:
                settings = dict(json.loads(file.attrs["settings"]))
                scored, mean = file["fitness"][:].astype(float), file["mean"][:].astype(float)
        except UNREADABLE as error:
            raise InputError(f"{self.path}: damaged ({error}); {mend}") from error
        if settings != self.settings:
            others = {k: v for k, v in settings.items() if self.settings.get(k) != v}
            raise InputError(f"{self.path}: of a search with {others}; repeat those or {mend}")
        if scored.shape[1:] != (self.settings["population"],) or mean.shape != self.mean.shape:
            raise InputError(f"{self.path}: damaged, its generations have other sizes; {mend}")
        for fitness in scored:
            self.ask()
            self.tell(fitness)
        if not np.allclose(self.mean, mean, rtol=1e-6, atol=1e-9):
            raise InputError(f"{self.path}: written by another version of cma or numpy; {mend}")
        return True
